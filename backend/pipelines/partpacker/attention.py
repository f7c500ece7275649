# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention and feed-forward layers shared by PartPacker's denoiser and autoencoder.

See docs/algorithms/partpacker.md, section 4.

Queries and keys are normalized over the whole width, before the split into heads. Heads are contiguous groups of
channels. Module attributes carry the published tensor names, so a checkpoint loads without a key map.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

NormKind = Literal["rms", "layer"]


class KeyValue(NamedTuple):
    """Keys and values of an attention context, ready for scaled-dot-product attention: `[B, heads, T, head_dim]`."""

    key: Tensor
    value: Tensor


def layer_norm(width: int) -> nn.LayerNorm:
    """The weightless layer norm in front of every branch of a block (eps 1e-6)."""
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)


def modulated(norm: nn.LayerNorm, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """`norm(x) * (1 + scale) + shift` for `x [B, L, W]` and `shift, scale [B or 1, 1, W]`.

    A modulation that the whole batch shares is the norm's own weight and bias: one pass over `x` instead of two.
    """
    if len(scale) == 1:
        return functional.layer_norm(x, norm.normalized_shape, 1 + scale[0, 0], shift[0, 0], norm.eps)
    return torch.addcmul(shift, norm(x), 1 + scale)


def _query_key_norm(kind: NormKind, width: int) -> nn.Module:
    return nn.RMSNorm(width, eps=1e-6) if kind == "rms" else layer_norm(width)


def _attend(query: Tensor, key_value: KeyValue, heads: int) -> Tensor:
    """`query [B, L, W]` on prepared keys and values -> `[B, L, W]`, heads side by side in the channels."""
    query = query.unflatten(-1, (heads, -1)).transpose(1, 2)
    mixed = functional.scaled_dot_product_attention(query, key_value.key, key_value.value)
    return mixed.transpose(1, 2).flatten(2)


class SplitLinear(nn.Linear):
    """One published weight `[3 W, W]` that gives query, key and value as three contiguous tensors `[B, L, W]`.

    Three products cost as much as one at these sizes, and the norms after them need not copy strided channels first.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]  # three tensors are its purpose
        pairs = zip(self.weight.chunk(3), self.bias.chunk(3), strict=True)
        return tuple(functional.linear(x, weight, bias) for weight, bias in pairs)


class SelfAttention(nn.Module):
    """Multi-head self-attention `[B, L, W] -> [B, L, W]`; query, key and value share one weight."""

    def __init__(self, width: int, heads: int, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.qkv_proj = SplitLinear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.q_norm = _query_key_norm(norm, width)
        self.k_norm = _query_key_norm(norm, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv_proj(x)
        key = self.k_norm(key).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = value.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.out_proj(_attend(self.q_norm(query), KeyValue(key, value), self.heads))


class CrossAttention(nn.Module):
    """Multi-head attention of `[B, L, W]` to a context `[B, T, C]` whose keys and values are computed apart."""

    def __init__(self, width: int, context_width: int, heads: int, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(context_width, width)
        self.v_proj = nn.Linear(context_width, width)
        self.out_proj = nn.Linear(width, width)
        self.q_norm = _query_key_norm(norm, width)
        self.k_norm = _query_key_norm(norm, width)

    def key_value(self, context: Tensor) -> KeyValue:
        """Keys and values of `context [B, T, C]`; they depend on nothing else and serve any number of queries."""
        key = self.k_norm(self.k_proj(context)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = self.v_proj(context).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return KeyValue(key, value)

    def of_zero_context(self, context: Tensor) -> Tensor:
        """What attention to an all-zero context of `context`'s width gives: the constant `[1, 1, W]`.

        Every key is the same vector and every value is the bias, so the weights do not matter (section 3.2, b).
        The layers are called, not their biases read, because under CPU offload the weights arrive with the call.
        """
        return self.out_proj(self.v_proj(torch.zeros_like(context[:1, :1])))

    def forward(self, x: Tensor, key_value: KeyValue) -> Tensor:
        return self.out_proj(_attend(self.q_norm(self.q_proj(x)), key_value, self.heads))


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between, hidden width four times the width."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        first, activation, second = self.net
        hidden = first(x)
        # The widest tensor of a run: without gradients it is not kept twice.
        hidden = activation(hidden) if torch.is_grad_enabled() else torch.ops.aten.gelu_(hidden)
        return second(hidden)


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block of the autoencoder: `x + attn(LN(x))`, then `x + ff(LN(x))`."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm_attention = layer_norm(width)
        self.attn = SelfAttention(width, heads, norm="layer")
        self.norm_feed_forward = layer_norm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm_attention(x))
        return x + self.ff(self.norm_feed_forward(x))


class CrossAttentionBlock(nn.Module):
    """Pre-norm block which looks at a context; it normalizes the context itself."""

    def __init__(self, width: int, context_width: int, heads: int):
        super().__init__()
        self.norm_attention = layer_norm(width)
        self.norm_context = layer_norm(context_width)
        self.attn = CrossAttention(width, context_width, heads, norm="layer")
        self.norm_feed_forward = layer_norm(width)
        self.ff = FeedForward(width)

    def key_value(self, context: Tensor) -> KeyValue:
        """Keys and values of `context [B, T, C]`."""
        return self.attn.key_value(self.norm_context(context))

    def forward(self, x: Tensor, key_value: KeyValue | None) -> Tensor:
        """`x [B, L, W]`; `None` stands for an empty context, to which attention adds nothing."""
        if key_value is not None:
            x = x + self.attn(self.norm_attention(x), key_value)
        return x + self.ff(self.norm_feed_forward(x))
