# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks small enough for a test, random in every tensor."""

import torch

from backend.pipelines.silksong.pipeline import SilksongPipeline
from backend.pipelines.silksong.point_encoder import SilksongConditioner
from backend.pipelines.silksong.transformer import SilksongTransformer

CONDITION_WIDTH = 24


def tiny_transformer(
    max_tokens: int = 300, depth: int = 2, embedding_width: int | None = None
) -> SilksongTransformer:
    torch.manual_seed(0)
    transformer = SilksongTransformer(32, CONDITION_WIDTH, depth, heads=2, head_width=16, max_tokens=max_tokens,
                                      embedding_width=embedding_width)
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return transformer.requires_grad_(False).eval()


def tiny_pipeline(max_tokens: int = 300) -> SilksongPipeline:
    torch.manual_seed(1)
    conditioner = SilksongConditioner(32, 4, layers=1, queries=9, condition_width=CONDITION_WIDTH)
    return SilksongPipeline(conditioner.requires_grad_(False).eval(), tiny_transformer(max_tokens))


def random_condition(rows: int) -> torch.Tensor:
    return torch.randn(rows, 9, CONDITION_WIDTH, generator=torch.Generator().manual_seed(2))
