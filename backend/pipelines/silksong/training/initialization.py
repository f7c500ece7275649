# SPDX-License-Identifier: GPL-3.0-or-later
"""Initial weights that know what tokens and queries are about; a short training then has less to find out.

Only for networks with a narrow table of tokens; those of published size begin as they are made.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ...common.fourier_features import fourier_features
from ..point_encoder import SilksongConditioner
from ..tokenizer import vocabulary as v
from ..transformer import SilksongTransformer

WAVES = 6
"""Cosines per axis that describe a place in a cell."""
OWN_SHARE = 0.5
"""Share of a token's vector that it shares with no other."""
REACH = 1.1
"""The queries' anchors fill a cube of this half side, evenly."""
SHARPNESS = 10.0
"""Makes a query look at about a tenth of an object's points at the beginning, the ones near its anchor."""
DAMPING = 0.5
"""Waves of a place count at the beginning by their frequency to this power, inversely: near is what looks alike."""


def begin_informed(conditioner: SilksongConditioner, transformer: SilksongTransformer) -> None:
    """Set the table of tokens by what they mean, and have every query look at the points around a place of its own."""
    table = transformer.token_embed.weight
    table.data.copy_(token_vectors(table.shape[1]))
    _anchor_queries(conditioner)


def token_vectors(width: int) -> Tensor:
    """Vectors [V, width] of about length 1: near for near places and for similar links."""
    vectors = torch.empty(v.VOCABULARY_SIZE, width)
    own = functional.normalize(torch.randn(v.VOCABULARY_SIZE, width), dim=1)
    vectors[:] = own
    for start, features in (
        (v.LONG_RANGE, _waves(torch.arange(v.LONG_RANGE_COUNT), v.LONG_RANGE_COUNT, 16)),
        (v.SAME_LAYER, _bits(v.SAME_LAYER_COUNT, v.SAME_LAYER_WINDOW)),
        (v.PREVIOUS_LAYER, _links()),
        (v.BLOCK, _cells(v.BLOCKS_PER_AXIS)),
        (v.OFFSET, _cells(v.CELLS_PER_BLOCK)),
    ):
        shared = functional.normalize(features @ torch.randn(features.shape[1], width), dim=1)
        rows = slice(start, start + len(features))
        vectors[rows] = math.sqrt(1.0 - OWN_SHARE) * shared + math.sqrt(OWN_SHARE) * own[rows]
    return vectors


def _waves(places: Tensor, count: int, waves: int = WAVES) -> Tensor:
    """Cosines [N, waves] of places 0 to count - 1, the slow ones the strongest."""
    order = torch.arange(1, waves + 1)
    return torch.cos(math.pi * order * (places[:, None] + 0.5) / count) / order.sqrt()


def _bits(count: int, bits: int) -> Tensor:
    return (torch.arange(count)[:, None] >> torch.arange(bits) & 1).float() - 0.5


def _cells(per_axis: int) -> Tensor:
    axes = torch.cartesian_prod(*[torch.arange(per_axis)] * 3)
    return torch.cat([_waves(axis, per_axis) for axis in axes.unbind(1)], dim=1)


def _links() -> Tensor:
    position = torch.arange(v.MAX_LAYER_VERTICES).repeat_interleave(v.WINDOW_PATTERN_COUNT)
    patterns = torch.from_numpy(v.WINDOW_PATTERNS).float().repeat(v.MAX_LAYER_VERTICES, 1) - 0.5
    return torch.cat([_waves(position, v.MAX_LAYER_VERTICES, 32), patterns], dim=1)


@torch.no_grad()
def _anchor_queries(conditioner: SilksongConditioner) -> None:
    """Queries begin as the features of places in the cube; query and key projections agree, so places find points."""
    encoder = conditioner.encoder
    count, width = encoder.query.shape
    waves = (2.0 ** (-DAMPING * torch.arange(encoder.frequencies))).repeat(6)
    strength = torch.cat([torch.ones(3), waves, torch.full((3,), 0.5)])
    encoder.input_proj.weight.mul_(strength / strength.square().mean().sqrt())
    places = REACH * (2.0 * torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(count) - 1.0)
    features = fourier_features(places, encoder.frequencies)
    features = torch.cat([features, torch.zeros(count, 3)], dim=1)
    encoder.query.copy_(encoder.input_proj(features))
    attention = encoder.cross_attn.attn
    keys, _ = attention.c_kv.weight.view(attention.heads, 2, -1, width).unbind(1)
    attention.c_q.weight.copy_(SHARPNESS * keys.reshape(-1, width))
