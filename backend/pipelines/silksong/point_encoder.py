# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's condition: surface points to 257 condition rows (docs/algorithms/silksong.md, section 8).

Module attributes carry the published tensor names (below the prefix `conditioner.`), so a checkpoint loads without a
key map. Only the shape perceiver's encoder half exists here; nothing else of it is ever used.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from ..common.fourier_features import fourier_features

POINT_CHANNELS = 6
"""x, y, z and the unit normal of every point."""


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of `[B, L, heads, head_width]` tensors -> `[B, L, width]`."""
    mixed = functional.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return mixed.transpose(1, 2).flatten(2)


class PerceiverCrossAttention(nn.Module):
    """Attention of the queries to the points; the key-value output holds key and value side by side in every head."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=False)
        self.c_kv = nn.Linear(width, 2 * width, bias=False)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        query = self.c_q(x).unflatten(-1, (self.heads, -1))
        key, value = self.c_kv(data).unflatten(-1, (self.heads, -1)).chunk(2, dim=-1)
        return self.c_proj(_attend(query, key, value))


class PerceiverSelfAttention(nn.Module):
    """Attention among the queries; query, key and value lie side by side in every head."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(_attend(*self.c_qkv(x).unflatten(-1, (self.heads, -1)).chunk(3, dim=-1)))


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between, hidden width four times the width."""

    def __init__(self, width: int):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(functional.gelu(self.c_fc(x)))


class CrossBlock(nn.Module):
    """Pre-norm block in which the queries look at the points."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attn = PerceiverCrossAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)
        self.ln_3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x), self.ln_2(data))
        return x + self.mlp(self.ln_3(x))


class SelfBlock(nn.Module):
    """Pre-norm block in which the queries look at each other."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attn = PerceiverSelfAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class SelfBlocks(nn.Module):
    """The stack of self-attention blocks, under the published name."""

    def __init__(self, width: int, heads: int, layers: int):
        super().__init__()
        self.resblocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x


class PointEncoder(nn.Module):
    """`[B, P, 6]` points with normals -> `[B, queries, width]`: row 0 the shape token, then the latents."""

    def __init__(self, width: int, heads: int, layers: int, queries: int, frequencies: int):
        super().__init__()
        self.frequencies = frequencies
        self.query = nn.Parameter(torch.randn(queries, width) * 0.02)
        self.input_proj = nn.Linear(POINT_CHANNELS + 6 * frequencies, width)
        self.cross_attn = CrossBlock(width, heads)
        self.self_attn = SelfBlocks(width, heads, layers)
        self.ln_post = nn.LayerNorm(width)

    def forward(self, points: Tensor) -> Tensor:
        features = fourier_features(points[..., :3], self.frequencies)
        features = torch.cat([features, points[..., 3:].float()], dim=-1)
        data = self.input_proj(features.to(self.input_proj.weight.dtype))
        x = self.cross_attn(self.query.expand(len(points), -1, -1), data)
        return self.ln_post(self.self_attn(x))


class ShapeModel(nn.Module):
    """The published module around the encoder; its other half is not used."""

    def __init__(self, encoder: PointEncoder):
        super().__init__()
        self.encoder = encoder


class ShapeModelHolder(nn.Module):
    """One more published level of names."""

    def __init__(self, encoder: PointEncoder):
        super().__init__()
        self.shape_model = ShapeModel(encoder)


class PointEncoderHolder(nn.Module):
    """The outermost published level of names."""

    def __init__(self, encoder: PointEncoder):
        super().__init__()
        self.model = ShapeModelHolder(encoder)


class SilksongConditioner(ModelMixin, ConfigMixin):
    """Points `[B, P, 6]` to the condition `[B, 257, condition_width]`; the defaults are the published configuration."""

    _no_split_modules = ["SelfBlock", "CrossBlock"]

    @register_to_config
    def __init__(
        self,
        width: int = 768,
        heads: int = 12,
        layers: int = 8,
        queries: int = 257,
        frequencies: int = 8,
        condition_width: int = 1024,
    ):
        super().__init__()
        self.point_encoder = PointEncoderHolder(PointEncoder(width, heads, layers, queries, frequencies))
        self.cond_head_proj = nn.Linear(width, condition_width)
        self.cond_proj = nn.Linear(width, condition_width)

    @property
    def encoder(self) -> PointEncoder:
        """The network below the published levels of names."""
        return self.point_encoder.model.shape_model.encoder

    def forward(self, points: Tensor) -> Tensor:
        """Condition of `points [B, P, 6]` (position in [-0.95, 0.95], unit normal; y up), in the network's dtype.

        The points' order does not matter. The shape token and the latents have a projection each.
        """
        latents = self.encoder(points)
        return torch.cat([self.cond_head_proj(latents[:, :1]), self.cond_proj(latents[:, 1:])], dim=1)
