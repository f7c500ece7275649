# SPDX-License-Identifier: GPL-3.0-or-later
"""The attentions that make a Stable Diffusion UNet paint materials in several views at once.

docs/algorithms/hunyuan3d_paint.md, "Attentions". The layers are diffusers' `Attention`; the layers that a further
material has of its own are in its `processor`, as in the published weights.
"""

from collections.abc import Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .rotary import Rotary

MATERIALS = ("albedo", "mr")
"""Base color, and metallic and roughness in one image (red and green). The first uses the layers of the UNet itself."""


class MaterialLayers(nn.Module):
    """Layers like an attention's own, for each material but the first: `to_q_mr` and so on."""

    def __init__(self, attention: Attention, names: Sequence[str]) -> None:
        super().__init__()
        for material in MATERIALS[1:]:
            for name in names:
                like = getattr(attention, name)
                own = nn.ModuleList([_linear_like(like[0])]) if name == "to_out" else _linear_like(like)
                self.add_module(f"{name}_{material}", own)


def _linear_like(layer: nn.Linear) -> nn.Linear:
    return nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)


def layer_of(attention: Attention, name: str, material: str) -> nn.Linear:
    """An attention's layer ("to_q", "to_out") for a material."""
    layer = getattr(attention, name) if material == MATERIALS[0] else getattr(attention.processor, f"{name}_{material}")
    return layer[0] if name == "to_out" else layer


def to_heads(tokens: Tensor, heads: int) -> Tensor:
    """`[rows, tokens, heads * width]` to `[rows, heads, tokens, width]`."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def from_heads(tokens: Tensor) -> Tensor:
    """Inverse of `to_heads`."""
    return tokens.transpose(1, 2).flatten(2)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention of `[rows, tokens, heads * width]`; key and value may be one row for all."""
    rows = len(query)
    key, value = (part.expand(rows, -1, -1) for part in (key, value))
    query, key, value = (to_heads(part, heads) for part in (query, key, value))
    return from_heads(scaled_dot_product_attention(query, key, value))


def material_attention(attention: Attention, tokens: Tensor) -> Tensor:
    """Self-attention of each view alone, each material with layers of its own.

    Args:
        attention: with `MaterialLayers` to_q, to_k, to_v, to_out.
        tokens: `[B, P, N, L, C]`.

    Returns:
        Same shape.
    """
    outputs = []
    for index, material in enumerate(MATERIALS):
        of_material = tokens[:, index].flatten(0, 1)
        query, key, value = (layer_of(attention, name, material)(of_material) for name in ("to_q", "to_k", "to_v"))
        mixed = attend(query, key, value, attention.heads)
        outputs.append(layer_of(attention, "to_out", material)(mixed).view(tokens[:, index].shape))
    return torch.stack(outputs, dim=1)


def reference_keys(attention: Attention, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Keys `[R, L, C]` and values `[R, L, P * C]` of reference tokens `[R, L, C]`: the materials' values in a row."""
    values = [layer_of(attention, "to_v", material)(reference) for material in MATERIALS]
    return attention.to_k(reference), torch.cat(values, dim=-1)


def reference_attention(attention: Attention, albedo: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What all materials take from the reference image, asked for by the first material alone.

    The row of all materials' values is split into heads as one: the first heads carry base color, the last ones
    metallic and roughness, and every material's output reads a part of each head. The weights were trained so.

    Args:
        attention: with `MaterialLayers` to_v, to_out.
        albedo: `[B, N * L, C]`, the first material's tokens.
        key: of `reference_keys`, for each row of `albedo` or one for all.
        value: as `key`.

    Returns:
        `[B, P, N * L, C]`.
    """
    rows, heads = len(albedo), attention.heads
    query = to_heads(attention.to_q(albedo), heads)
    key, value = (to_heads(part.expand(rows, -1, -1), heads) for part in (key, value))
    mixed = scaled_dot_product_attention(query, key, value)
    outputs = [
        layer_of(attention, "to_out", material)(from_heads(part))
        for material, part in zip(MATERIALS, mixed.chunk(len(MATERIALS), dim=-1), strict=True)
    ]
    return torch.stack(outputs, dim=1)


def multiview_attention(attention: Attention, tokens: Tensor, rotary: Rotary) -> Tensor:
    """Attention over all views' tokens `[B * P, N * L, C]`, with queries and keys turned by where they lie in space.

    `rotary` has one row for all branches, or a row for each.
    """
    query, key, value = (
        to_heads(layer(tokens), attention.heads) for layer in (attention.to_q, attention.to_k, attention.to_v)
    )
    if len(rotary.cosine) > 1:
        repeats = len(tokens) // len(rotary.cosine)
        rotary = Rotary(*(part.repeat_interleave(repeats, dim=0) for part in (rotary.cosine, rotary.sine)))
    mixed = scaled_dot_product_attention(rotary.rotate(query), rotary.rotate(key), value)
    return attention.to_out[0](from_heads(mixed))
