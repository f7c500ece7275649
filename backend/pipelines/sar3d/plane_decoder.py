# SPDX-License-Identifier: GPL-3.0-or-later
"""The convolutional decoder: a vision transformer's tokens to planes of eight times their side.

Module attributes carry the published tensor names.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from .residual_blocks import ResidualBlock, group_norm


class PixelAttention(nn.Module):
    """Attention of every pixel of `[B, C, H, W]` to all others, with one head, added to the input."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = group_norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        query, key, value = (
            layer(normed).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed[:, 0].transpose(1, 2).unflatten(2, x.shape[2:]))


class Middle(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, width: int):
        super().__init__()
        self.block_1 = ResidualBlock(width, width)
        self.attn_1 = PixelAttention(width)
        self.block_2 = ResidualBlock(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Doubling(nn.Module):
    """`[B, C, H, W] -> [B, C, 2 H, 2 W]`: nearest pixels, then a convolution."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class UpLevel(nn.Module):
    """The residual blocks of one resolution, and the way to the next."""

    def __init__(self, channels: int, width: int, blocks: int, doubles: bool):
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(width if i else channels, width) for i in range(blocks))
        if doubles:
            self.upsample = Doubling(width)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return self.upsample(x) if hasattr(self, "upsample") else x


class PlaneDecoder(nn.Module):
    """`[3 B, channels, N, N] -> [3 B, plane_channels, 2^(levels - 1) N, ...]`, every plane for itself.

    `multipliers` of `width` are the widths from the finest level to the coarsest.
    """

    def __init__(
        self,
        channels: int = 768,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 2, 4),
        residual_blocks: int = 1,
        plane_channels: int = 32,
    ):
        super().__init__()
        widths = [width * multiplier for multiplier in multipliers]
        self.conv_in = nn.Conv2d(channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        wider = [*widths[1:], widths[-1]]
        self.up = nn.ModuleList(
            UpLevel(coarser, own, residual_blocks + 1, doubles=level > 0)
            for level, (own, coarser) in enumerate(zip(widths, wider, strict=True))
        )
        self.norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], plane_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(x)))
