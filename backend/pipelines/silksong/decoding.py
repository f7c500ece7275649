# SPDX-License-Identifier: GPL-3.0-or-later
"""One decoding step of the transformer on a static cache, fit to be recorded as a CUDA graph.

A step of one token costs its kernels' start-up times and little arithmetic, so that few kernels are what counts.
All addresses and shapes are fixed; the position is a tensor. The cache is read up to a length that the caller chooses,
a multiple of `CHUNK` that covers the position.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .transformer import (
    CausalAttention,
    ConditionAttention,
    GatedFeedForward,
    SilksongTransformer,
    cosine_normalized,
    cosine_weight,
)

CHUNK = 128
"""Positions whose values are summed in half precision before the sum goes on in single precision."""
VALUE_SCALE = 2.0**-8
"""Exponentials of cosine scores are at most e^10: with values scaled so, no sum over a chunk leaves half precision."""
WEIGHT_COLUMNS = 8
"""Columns next to the values, the first of which holds what a position counts; eight keep rows aligned."""


class Position(NamedTuple):
    """Where a step writes, and how much of the cache it reads: `chunk` and `place` are `position`'s place in chunks,
    all int64 `[1]`; `length` is a multiple of `CHUNK` above the position."""

    position: Tensor
    chunk: Tensor
    place: Tensor
    length: int

    @classmethod
    def of(cls, position: Tensor, length: int) -> "Position":
        return cls(position, torch.div(position, CHUNK, rounding_mode="floor"), position.remainder(CHUNK), length)


class PrefixAttention:
    """Self-attention of one new position to all before it, over a cache of `capacity` positions.

    Cosine scores lie in [-10, 10], so the softmax needs no maximum: the numerator and the denominator are plain sums
    of exponentials. The denominator is the numerator of a constant value, which the cache holds in one more column.
    That column is zero at positions not yet filled, so these need no mask. Sums are taken chunk by chunk, which keeps
    all of a GPU busy with one query.
    """

    def __init__(self, branch: CausalAttention, rows: int, capacity: int):
        self.projection = _fused(branch)
        self.out = branch.to_out.weight.t()
        self.heads, self.head_width = branch.heads, self.out.shape[0] // branch.heads
        batch, columns, new = rows * self.heads, self.head_width + WEIGHT_COLUMNS, self.projection.new_zeros
        self.cosine_weight = cosine_weight(self.projection, self.head_width)
        self.keys = new(batch, capacity, self.head_width)
        self.values = new(capacity // CHUNK, batch, CHUNK, columns)
        self.new_value = new(batch, columns)
        self.new_value[:, self.head_width] = VALUE_SCALE
        self.mixed = new(batch, self.head_width)

    def reset(self) -> None:
        """Forget all positions. Keys may stay: without a value they count nothing."""
        self.values.zero_()

    def add_to(self, x: Tensor, normed: Tensor, at: Position) -> None:
        """Add the branch's output for `normed [B, W]` at a position to the residual stream `x [B, W]`."""
        heads = functional.linear(normed, self.projection).unflatten(-1, (3, self.heads, self.head_width))
        query, key = cosine_normalized(heads[:, :2], self.cosine_weight).unbind(1)
        torch.mul(heads[:, 2].flatten(0, 1), VALUE_SCALE, out=self.new_value[:, : self.head_width])
        self.keys.index_copy_(1, at.position, key.flatten(0, 1).unsqueeze(1))
        self.values[at.chunk, :, at.place] = self.new_value
        x.addmm_(self._attend(query.flatten(0, 1), at.length).view(len(x), -1), self.out)

    def _attend(self, query: Tensor, length: int) -> Tensor:
        """`query [B * heads, head_width]` on the first `length` positions -> the same shape."""
        chunks, batch = length // CHUNK, len(query)
        scores = torch.bmm(self.keys[:, :length], query.unsqueeze(-1))
        weights = scores.new_empty(chunks, batch, CHUNK)
        torch.exp(scores.view(batch, chunks, CHUNK).transpose(0, 1), out=weights)
        sums = torch.bmm(weights.view(-1, 1, CHUNK), self.values[:chunks].view(chunks * batch, CHUNK, -1))
        sums = sums.view(chunks, batch, -1).sum(dim=0, dtype=torch.float32)
        value, weight = sums[:, : self.head_width], sums[:, self.head_width : self.head_width + 1]
        return torch.div(value, weight, out=self.mixed)


def _fused(branch: CausalAttention) -> Tensor:
    """The query, key and value weights as one `[3 * inner, W]`, of which the branch's own become views."""
    layers = (branch.to_q, branch.to_k, branch.to_v)
    fused = torch.cat([layer.weight.detach() for layer in layers])
    for layer, rows in zip(layers, fused.chunk(3), strict=True):
        layer.weight = torch.nn.Parameter(rows, requires_grad=False)
    return fused


class FixedAttention:
    """Attention to the condition, whose keys and values are computed once a run."""

    def __init__(self, branch: ConditionAttention):
        self.branch = branch
        self.out = branch.to_out.weight.t()
        self.cosine_weight = cosine_weight(self.out, self.out.shape[0] // branch.heads)
        self.key = self.value = self.out.new_empty(0)

    def set_condition(self, condition: Tensor) -> None:
        """`condition [B, T, Dc]`, or `[1, T, Dc]` for a batch that shares it."""
        key, value = self.branch.key_value(condition)
        if self.key.shape == key.shape:
            # A recorded graph reads from these addresses.
            self.key.copy_(key)
            self.value.copy_(value)
        else:
            self.key, self.value = key.contiguous(), value.contiguous()

    def add_to(self, x: Tensor, normed: Tensor) -> None:
        """Add the branch's output for `normed [B, W]` to the residual stream `x [B, W]`.

        Rows that share a condition are one batch of queries.
        """
        query = self.branch.to_q(normed).unflatten(-1, (self.branch.heads, -1))
        query = cosine_normalized(query, self.cosine_weight)
        query = query.view(len(self.key), -1, *query.shape[1:]).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(query, self.key, self.value, scale=1.0)
        x.addmm_(mixed.transpose(1, 2).reshape(len(x), -1), self.out)


class StaticDecoder:
    """The transformer with a cache for `rows` sequences of at most `capacity` positions, a multiple of `CHUNK`.

    Position 0 is the start vector and position i the i-th token. The token that stands for the start is `start`.
    Takes over the transformer's weights (they become views of fused ones): for inference only.
    """

    def __init__(self, transformer: SilksongTransformer, rows: int, capacity: int):
        self.transformer = transformer
        self.capacity = capacity
        norms, branches = zip(*transformer.decoder.pairs(), strict=True)
        self.prefix = [PrefixAttention(branch, rows, capacity) for branch in branches
                       if isinstance(branch, CausalAttention)]
        self.fixed = [FixedAttention(branch) for branch in branches if isinstance(branch, ConditionAttention)]
        self._feed_forward = [branch.ff for branch in branches if isinstance(branch, GatedFeedForward)]
        self._norms = [norms[first : first + 3] for first in range(0, len(norms), 3)]
        self.start = len(transformer.token_embed.weight)
        tokens = transformer.widened(transformer.token_embed.weight) + transformer.class_table()
        self._tokens = torch.cat([tokens, transformer.sos_token[None]])
        positions = transformer.abs_pos_emb.weight
        self._positions = torch.cat([torch.zeros_like(positions[:1]), positions])

    def begin(self, condition: Tensor) -> None:
        """Forget the last run and take `condition [B or 1, T, Dc]`."""
        for prefix in self.prefix:
            prefix.reset()
        for fixed in self.fixed:
            fixed.set_condition(condition.to(self._tokens.dtype))

    def logits(self, token: Tensor, position: Tensor, length: int) -> Tensor:
        """Logits `[B, V]` of what follows `token` int64 `[B]` at `position` int64 `[1]`, reading `length` positions.

        The positions must be taken in order from 0.
        """
        x = self._tokens[token] + self._positions[position]
        at = Position.of(position, length)
        blocks = zip(self._norms, self.prefix, self.fixed, self._feed_forward, strict=True)
        for (before_prefix, before_fixed, before_feed_forward), prefix, fixed, feed_forward in blocks:
            prefix.add_to(x, before_prefix(x), at)
            fixed.add_to(x, before_fixed(x))
            x += feed_forward(before_feed_forward(x))
        return self.transformer.logits(self.transformer.decoder.final_norm(x))
