# SPDX-License-Identifier: GPL-3.0-or-later
"""A SAR3D small enough for a test: random, but with a surface in every triplane."""

from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, Dinov2Config, Dinov2Model

from backend.pipelines.sar3d import conditions
from backend.pipelines.sar3d.pipeline import Sar3dPipeline
from backend.pipelines.sar3d.transformer import NextScaleTransformer
from backend.pipelines.sar3d.triplane_decoder import TriplaneDecoder
from backend.training.vocabulary import read_vocabulary, write_vocabulary

SIDES = (1, 2, 3, 4)
VOCABULARY = 48
WIDTHS = {"text": 20, "image": 24}
"""Widths of the conditions."""


def tiny_transformer(kind: str = "text") -> NextScaleTransformer:
    """Random in every tensor."""
    torch.manual_seed(1)
    transformer = NextScaleTransformer(
        32, 2, 2, WIDTHS[kind], condition_first=kind == "image", vocabulary=VOCABULARY, code_width=4, sides=SIDES
    )
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return transformer.eval()


@torch.no_grad()
def tiny_decoder(field_kind: str = "flexicubes") -> TriplaneDecoder:
    """About a fifth of the cube is inside."""
    torch.manual_seed(2)
    decoder = TriplaneDecoder(
        field_kind, VOCABULARY, 4, SIDES, width=24, depth=2, heads=2, plane_width=32, plane_multipliers=(1, 1),
        plane_channels=4, field_width=8,
    ).eval()
    tokens = torch.randint(VOCABULARY, (1, decoder.quantize.layout.total))
    triplane = decoder(decoder.quantize.decode(tokens))
    points = torch.rand(1, 4000, 3) * decoder.field.box - decoder.field.box / 2
    if field_kind == "density":
        last, level = decoder.field.net[-1], 10.0
        inside = decoder.field(triplane, points)[0].quantile(0.8)
        last.weight[0] *= 50
        last.bias[0] = level - 50 * (inside - last.bias[0])
    else:
        last = decoder.field.net_sdf[-1]
        last.bias -= decoder.field.net_sdf(decoder.field.features(triplane, points)).quantile(0.2)
    return decoder


def tiny_text_encoder(folder: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """A tokenizer of a few words, written to `folder`, and its encoder of 16 tokens."""
    write_vocabulary(folder, ["a red chair", "a wooden table with four legs"])
    tokenizer = read_vocabulary(folder)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTHS["text"], intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=16, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(3)
    return tokenizer, CLIPTextModel(config).eval()


def tiny_image_encoder() -> Dinov2Model:
    """Sees squares of 224 pixels as 4 x 4 patches."""
    torch.manual_seed(4)
    config = Dinov2Config(hidden_size=WIDTHS["image"], num_hidden_layers=1, num_attention_heads=2, image_size=224,
                          patch_size=56)
    return Dinov2Model(config).eval()


def tiny_pipeline(folder: Path, field_kind: str = "flexicubes") -> Sar3dPipeline:
    """Both kinds of conditions; `folder` is for the tokenizer's files."""
    tokenizer, text_encoder = tiny_text_encoder(folder / "tokenizer")
    pipeline = Sar3dPipeline(
        tiny_decoder(field_kind), tokenizer, text_encoder, tiny_transformer("text"), tiny_image_encoder(),
        tiny_transformer("image"),
    )
    pipeline.null_text = conditions.text_condition([""], tokenizer, text_encoder)
    pipeline.null_image = conditions.image_condition(conditions.blank_square(255), pipeline.image_encoder)
    return pipeline
