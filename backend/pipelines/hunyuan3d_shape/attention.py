# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention pieces that both denoisers and the autoencoder share.

The published weights pack queries, keys and values in three different ways (docs/algorithms/hunyuan3d_shape.md,
"Packing"), so each network splits its own projections and meets the others here, with heads apart.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..common.head_norms import HeadLayerNorm, HeadRMSNorm

NormKind = Literal["rms", "layer", "none"]


class KeyValue(NamedTuple):
    """Keys and values of a context, ready for scaled-dot-product attention: `[B, heads, T, head width]`."""

    key: Tensor
    value: Tensor


def head_norm(kind: NormKind, head_width: int) -> nn.Module:
    """The norm of queries and keys inside a head, eps 1e-6: RMS without bias, layer norm with bias, or none."""
    if kind == "rms":
        return HeadRMSNorm(head_width, eps=1e-6)
    return HeadLayerNorm(head_width, eps=1e-6) if kind == "layer" else nn.Identity()


def split_heads(packed: Tensor, heads: int, count: int) -> tuple[Tensor, ...]:
    """`[B, L, heads * count * D]`, each head's parts side by side -> `count` tensors `[B, L, heads, D]`."""
    return packed.unflatten(-1, (heads, count, -1)).unbind(-2)


def attend(query: Tensor, key_value: KeyValue) -> Tensor:
    """`query [B, L, heads, D]` on prepared keys and values -> `[B, L, heads * D]`."""
    mixed = functional.scaled_dot_product_attention(query.transpose(1, 2), key_value.key, key_value.value)
    return mixed.transpose(1, 2).flatten(2)


def joined(linears: tuple[nn.Linear, ...], x: Tensor) -> Tensor:
    """The outputs of several linear layers side by side, in one product.

    Joining the weights moves a hundredth of the bytes that joining the outputs would.
    """
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    return functional.linear(x, torch.cat([linear.weight for linear in linears]), bias)
