# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a latent pixel lies on the object: voxel indices from position maps, and the rotation of queries and keys by
them (docs/algorithms/hunyuan3d_paint.md, "Rotary positions").
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BASE = 10000.0
FEWEST_PIXELS = 16
"""A cell counts as seen when at least one of so many of its pixels shows the object."""


@dataclass(frozen=True)
class Rotary:
    """Cosine and sine of each token's angles, float32 `[B or 1, tokens, head width / 2]`."""

    cosine: Tensor
    sine: Tensor

    def rotate(self, x: Tensor) -> Tensor:
        """Rotate the adjacent pairs of channels of `[B, heads, tokens, head width]`; float32 inside, same dtype out."""
        first, second = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        cosine, sine = self.cosine[:, None], self.sine[:, None]
        rotated = torch.stack([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
        return rotated.flatten(-2).to(x.dtype)


def position_values(pixels: Tensor) -> Tensor:
    """Position maps uint8 `[N, R, R, 3]` as float16 in [0, 1], the precision that the network was trained with."""
    return (pixels.float() / 255.0).half()


def voxel_indices(positions: Tensor, side: int, resolution: int) -> Tensor:
    """Voxel of each latent pixel, int32 `[N * side * side, 3]` in `[0, resolution)`; 0 where a cell shows too little.

    Every step is rounded to float16, as in training.

    Args:
        positions: float16 `[N, R, R, 3]`; a pixel with a channel of exactly 1 is background.
        side: latent pixels a side; divides R.
        resolution: voxels a side of the object's cube.
    """
    count, size = positions.shape[:2]
    cell = size // side
    valid = (positions != 1.0).all(dim=-1, keepdim=True)
    cells = (positions * valid).view(count, side, cell, side, cell, 3)
    total = cells.float().sum(dim=(2, 4)).half()
    seen = valid.view(count, side, cell, side, cell, 1).sum(dim=(2, 4))
    mean = (total / seen.clamp(min=1).half()).masked_fill(seen < cell * cell // FEWEST_PIXELS, 0.0)
    return (mean.clamp(0.0, 1.0) * (resolution - 1)).round().int().reshape(-1, 3)


def rotary_table(indices: Tensor, width: int) -> Rotary:
    """Angles of voxel indices `[B or 1, tokens, 3]` for heads of `width` channels, a multiple of 8.

    Three eighths of the channels turn with each of the first two coordinates, a quarter with the third.
    """
    unit = width // 8
    angles = [
        indices[..., axis, None].float() * _frequencies(share * unit).to(indices.device)
        for axis, share in enumerate((3, 3, 2))
    ]
    angle = torch.cat(angles, dim=-1)
    return Rotary(angle.cos(), angle.sin())


def _frequencies(channels: int) -> Tensor:
    exponents = torch.arange(0, channels, 2, dtype=torch.float32)[: channels // 2] / channels
    return 1.0 / BASE**exponents
