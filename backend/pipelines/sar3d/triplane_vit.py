# SPDX-License-Identifier: GPL-3.0-or-later
"""The vision transformer of the decoder: learned positions, modulated token by token by the latent.

Module attributes carry the published tensor names. The stream between the blocks is float32.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .token_layout import PLANES
from .transformer import modulated


class TriplaneAttention(nn.Module):
    """Self-attention of `[B, L, W]`."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """`[B, L, W] -> [B, L, W]` through a hidden layer four times as wide, without biases."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class TriplaneBlock(nn.Module):
    """Attention and feed-forward, each shifted, scaled and gated by the latent at the same token."""

    def __init__(self, width: int, heads: int, within_planes: bool):
        super().__init__()
        self.within_planes = within_planes
        self.attn = TriplaneAttention(width, heads)
        self.mlp = Mlp(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """The stream `[B, L, W]` after the block; `latent [B, L, W]`."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.adaLN_modulation(latent).chunk(6, dim=-1)
        normed = modulated(x, scale, shift)
        if self.within_planes:
            planes = normed.reshape(PLANES * len(x), -1, x.shape[-1])
            x = x + gate * self.attn(planes).view_as(x)
        else:
            x = x + gate * self.attn(normed)
        return x + mlp_gate * self.mlp(modulated(x, mlp_scale, mlp_shift))


class TriplaneViT(nn.Module):
    """Latent tokens `[B, 3 N², W]` to tokens of the same shape; even blocks attend within planes, odd ones over all.

    `tokens` is their number, `3 N²`.
    """

    def __init__(self, width: int = 768, depth: int = 12, heads: int = 12, tokens: int = 768):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(TriplaneBlock(width, heads, number % 2 == 0) for number in range(depth))

    def forward(self, latent: Tensor) -> Tensor:
        x = self.pos_embed.float().expand(len(latent), -1, -1)
        for block in self.blocks:
            x = block(x, latent)
        return x
