# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention by the cosine of queries and keys, with a learned temperature for each head.

Module attributes carry the published tensor names. Queries and keys have unit length, so their product is already a
cosine; it is multiplied by exp(temperature), at most 100, and by nothing else.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HIGHEST_TEMPERATURE = math.log(100)
INITIAL_TEMPERATURE = math.log(4)


class CosineAttention(nn.Module):
    """What self-attention and cross-attention share: heads, temperature and the last layer."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, heads, 1, 1), INITIAL_TEMPERATURE))
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def split_heads(self, x: Tensor) -> Tensor:
        """`[B, L, W]` -> `[B, H, L, W / H]`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def unit_query(self, query: Tensor) -> Tensor:
        """Queries `[B, L, W]` in heads, as long as the head's temperature says."""
        unit = functional.normalize(self.split_heads(query), dim=-1)
        return unit * self.scale_mul_1H11.clamp_max(HIGHEST_TEMPERATURE).exp().to(unit.dtype)

    def unit_key(self, key: Tensor) -> Tensor:
        """Keys `[B, L, W]` in heads, of unit length."""
        return functional.normalize(self.split_heads(key), dim=-1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """The branch's output `[B, L, W]` of queries `[B, H, L, d]` and keys and values `[B, H, T, d]`.

        `mask` bool [L, T] is true where a query sees a key; without it everything is seen.
        """
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class SelfAttention(CosineAttention):
    """Attention of `[B, L, W]` to itself. Keys have no bias."""

    def __init__(self, width: int, heads: int):
        super().__init__(width, heads)
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)

    def query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of `x [B, L, W]`, each `[B, H, L, d]`; keys as they are cached."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        query, key, value = functional.linear(x, self.mat_qkv.weight, bias).chunk(3, dim=-1)
        return self.unit_query(query), self.unit_key(key), self.split_heads(value)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[B, L, W] -> [B, L, W]`."""
        return self.attend(*self.query_key_value(x), mask)


class CrossAttention(CosineAttention):
    """Attention of `[B, L, W]` to the tokens of a condition, `[B, T, Dc]`."""

    def __init__(self, width: int, condition_width: int, heads: int):
        super().__init__(width, heads)
        self.mat_q = nn.Linear(width, width, bias=False)
        self.mat_kv = nn.Linear(condition_width, 2 * width, bias=False)

    def query(self, x: Tensor) -> Tensor:
        """Queries `[B, H, L, d]` of `x [B, L, W]`."""
        return self.unit_query(functional.linear(x, self.mat_q.weight, self.q_bias))

    def key_value(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `[B, H, T, d]` of a condition's tokens. They serve all scales of a run."""
        bias = torch.cat([torch.zeros_like(self.v_bias), self.v_bias])
        key, value = functional.linear(tokens, self.mat_kv.weight, bias).chunk(2, dim=-1)
        return self.unit_key(key), self.split_heads(value)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """`[B, L, W] -> [B, L, W]`."""
        return self.attend(self.query(x), *self.key_value(tokens))
