# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention in slices: the same values, and never more scores at a time than are allowed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from backend.pipelines.common import attention
from backend.pipelines.common.attention import MOST_SCORES, SlicedAttention, attention_within_memory, queries_at_once
from backend.pipelines.hunyuan3d_shape.pipeline import POINTS_PER_QUERY
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser


class Scores(TorchFunctionMode):
    """Notes how many scores each attention has."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is scaled_dot_product_attention:
            query, key = args[0], args[1]
            self.counts.append(query.shape[:-1].numel() * key.shape[-2])
        return func(*args, **(kwargs or {}))


@pytest.fixture
def few_scores(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Allow far fewer scores than published models have."""
    monkeypatch.setattr(attention, "MOST_SCORES", 600)
    return 600


def masks(queries: int, keys: int) -> Iterator[Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    yield None
    yield torch.rand(queries, keys, generator=generator) > 0.3
    yield torch.rand(2, 1, 1, keys, generator=generator) > 0.3
    yield torch.randn(2, 3, queries, keys, generator=generator)


def test_slices_give_the_same_values(few_scores: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, tokens, 8, generator=generator) for tokens in (17, 11, 11))
    for mask in masks(17, 11):
        for scale in (None, 1.0):
            whole = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
            with Scores() as scores, SlicedAttention():
                sliced = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
            torch.testing.assert_close(sliced, whole, rtol=1e-5, atol=1e-6)
            assert len(scores.counts) == 2 and max(scores.counts) <= few_scores
    causal = scaled_dot_product_attention(query, query, query, is_causal=True)
    with Scores() as scores, SlicedAttention():
        torch.testing.assert_close(scaled_dot_product_attention(query, query, query, is_causal=True), causal,
                                   rtol=1e-5, atol=1e-6)
    assert len(scores.counts) == 4 and max(scores.counts) <= few_scores


def test_only_the_gpu_that_keeps_scores_is_given_slices() -> None:
    assert isinstance(attention_within_memory("mps"), SlicedAttention)
    assert all(isinstance(attention_within_memory(device), nullcontext) for device in ("cpu", "cuda:0"))


@pytest.mark.parametrize(("query", "keys"), [
    ((2, 24, 8192, 64), 8192),  # PartPacker: two volumes, guided
    ((2, 16, 3072, 128), 3072),  # Hunyuan3D-2.0: shape and image tokens, guided
    ((2, 16, 4096, 128), 4096),  # Hunyuan3D-2.1
    ((1, 16, POINTS_PER_QUERY["mps"], 64), 4096),  # its field
    ((1, 1, 128 * 128, 512), 128 * 128),  # Stable Diffusion's autoencoder at 1024 pixels
    ((2, 10, 10 * 64 * 64, 64), 64 * 64),  # SDXL: ten views that look at the front one
    ((6, 5, 6 * 64 * 64, 64), 6 * 64 * 64),  # Hunyuan3D-Paint: all tokens of six views
])
def test_published_sizes_stay_below_the_most_scores(query: tuple[int, ...], keys: int) -> None:
    size = queries_at_once(query, keys)
    rows = torch.Size(query[:-2]).numel()
    assert size >= 1 and rows * min(size, query[-2]) * keys <= MOST_SCORES


def test_published_networks_on_the_meta_device() -> None:
    """Their calls as they are made, with no memory behind them: some would keep more scores than are allowed."""
    with torch.device("meta"), torch.no_grad(), Scores() as whole:
        _run_published()
    with torch.device("meta"), torch.no_grad(), Scores() as sliced, SlicedAttention():
        _run_published()
    assert max(whole.counts) > MOST_SCORES >= max(sliced.counts)
    assert sum(whole.counts) == sum(sliced.counts)


def _run_published() -> None:
    denoiser = PartPackerDenoiser(layers=1)
    denoiser(torch.empty(2, 8192, 64), torch.empty(2), torch.empty(2, 1374, 1536))
    autoencoder = PartPackerAutoencoder(decoder_layers=1)
    autoencoder.query(torch.empty(1, POINTS_PER_QUERY["mps"], 3), autoencoder.decode(torch.empty(1, 4096, 64)))
    vae = AutoencoderKL(block_out_channels=(128, 512), down_block_types=("DownEncoderBlock2D",) * 2,
                        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, layers_per_block=1)
    vae.decode(torch.empty(2, 4, 128, 128))
