# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder: six views of an object, with their rays and depths, to the latent of its triplane.

Module attributes carry the published tensor names. Used to tokenize an existing mesh, and in training; generation
does without it.
"""

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention import FeedForward
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from .quantizer import planes_in_batch
from .residual_blocks import ResidualBlock, group_norm
from .token_layout import PLANES

VIEWS = 6
VIEW_CHANNELS = 10
"""Of a view's pixel: color (3, ImageNet mean and deviation), moment and direction of its ray (3 each), depth."""


class EncoderAttention(nn.Module):
    """Self-attention of `[B, L, W]` with heads; only the last layer has a bias."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class ViewBlock(nn.Module):
    """Attention over the tokens of all views, attention within each view, feed-forward; each added to the input."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = EncoderAttention(width, heads), EncoderAttention(width, heads)
        self.ff = FeedForward(width, activation_fn="geglu")

    def forward(self, x: Tensor, views: int) -> Tensor:
        """`[B * views, L, W]` -> the same."""
        together = x.reshape(-1, views * x.shape[1], x.shape[2])
        together = together + self.attn1(self.norm1(together))
        x = together.view_as(x)
        x = x + self.attn2(self.norm2(x))
        return x + self.ff(self.norm3(x))


class ViewAttention(nn.Module):
    """A `ViewBlock` on the pixels of `[B * views, C, H, W]`, added to the input."""

    def __init__(self, channels: int, heads: int, head_width: int):
        super().__init__()
        width = heads * head_width
        self.norm = group_norm(channels)
        self.proj_in = nn.Conv2d(channels, width, 1)
        self.transformer_blocks = nn.ModuleList([ViewBlock(width, heads)])
        self.proj_out = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor, views: int) -> Tensor:
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, views)
        return x + self.proj_out(tokens.transpose(1, 2).unflatten(2, x.shape[2:]))


class EncoderMiddle(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, channels: int, heads: int, head_width: int):
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels)
        self.attn_1 = ViewAttention(channels, heads, head_width)
        self.block_2 = ResidualBlock(channels, channels)

    def forward(self, x: Tensor, views: int) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x), views))


class Halving(nn.Module):
    """`[B, C, H, W] -> [B, C, H / 2, W / 2]`, padded with zeros on the right and below."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class DownLevel(nn.Module):
    """The residual blocks of one resolution, and the way to the next."""

    def __init__(self, channels: int, width: int, blocks: int, halves: bool):
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(width if i else channels, width) for i in range(blocks))
        if halves:
            self.downsample = Halving(width)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class MultiViewEncoder(nn.Module):
    """`[B * views, channels, N, N] -> [B, latent_channels, N / 2^(levels - 1), ...]`."""

    def __init__(
        self,
        channels: int,
        width: int,
        multipliers: Sequence[int],
        residual_blocks: int,
        latent_channels: int,
        heads: int,
        head_width: int,
        views: int,
    ):
        super().__init__()
        self.views = views
        widths = [width * multiplier for multiplier in multipliers]
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList(
            DownLevel(before, after, residual_blocks, halves=level < len(widths) - 1)
            for level, (before, after) in enumerate(zip([width, *widths[:-1]], widths, strict=True))
        )
        self.mid = EncoderMiddle(widths[-1], heads, head_width)
        self.norm_out = group_norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], latent_channels, 3, padding=1)
        self.fusion_layer = nn.Conv2d(views * latent_channels, latent_channels, 3, padding=1)

    def forward(self, views: Tensor) -> Tensor:
        x = self.conv_in(views)
        for level in self.down:
            x = level(x)
        x = self.conv_out(functional.silu(self.norm_out(self.mid(x, self.views))))
        return self.fusion_layer(x.reshape(-1, self.views * x.shape[1], *x.shape[2:]))


class TriplaneEncoder(ModelMixin, ConfigMixin):
    """Views of an object to its latent, for the quantizer; the defaults are the published configuration."""

    @register_to_config
    def __init__(
        self,
        channels: int = VIEW_CHANNELS,
        width: int = 160,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        residual_blocks: int = 2,
        code_width: int = 8,
        heads: int = 8,
        head_width: int = 64,
        views: int = VIEWS,
    ):
        super().__init__()
        self.encoder = MultiViewEncoder(
            channels, width, multipliers, residual_blocks, PLANES * code_width, heads, head_width, views
        )
        self.quant_conv = nn.Conv2d(code_width, code_width, 3, padding=1)

    def forward(self, views: Tensor) -> Tensor:
        """The latent float32 `[3 B, C, n, n]` of `views [B * views, channels, N, N]`, the views of an object together.
        """
        return self.quant_conv(planes_in_batch(self.encoder(views.to(self.dtype)))).float()


def plucker_rays(camera_to_world: Tensor, focal: float, side: int) -> Tensor:
    """Moment and direction `[V, 6, side, side]` of the rays through all pixels' centers.

    Args:
        camera_to_world: float32 [V, 4, 4]; cameras look along +Z, x to the right and y down.
        focal: focal length as a share of the image's side.
        side: pixels of the square views.
    """
    centers = (torch.arange(side, device=camera_to_world.device) + 0.5) / side - 0.5
    y, x = torch.meshgrid(centers / focal, centers / focal, indexing="ij")
    local = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    directions = functional.normalize(torch.einsum("vij,hwj->vhwi", camera_to_world[:, :3, :3], local), dim=-1)
    origins = camera_to_world[:, None, None, :3, 3].expand_as(directions)
    moments = torch.linalg.cross(origins, directions)
    return torch.cat([moments, directions], dim=-1).permute(0, 3, 1, 2)
