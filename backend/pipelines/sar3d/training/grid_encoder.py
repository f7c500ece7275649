# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder that small weights are trained with: a grid of distance and color to the latent of three planes.

The published encoder sees six rendered views (`encoder.py`). Procedural objects are known everywhere, so the latent
of a plane is read from the grid along the third axis, for a fraction of the work. It is not kept with the weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..quantizer import planes_in_batch
from ..residual_blocks import ResidualBlock, group_norm
from ..token_layout import PLANES

CHANNELS = 4


class PlaneEncoder(nn.Module):
    """`[B, 4 R, R, R] -> [B, width, n, n]` for one plane, halving its side until it is `n`."""

    def __init__(self, grid: int, side: int, width: int) -> None:
        super().__init__()
        halvings = round(math.log2(grid / side))
        layers: list[nn.Module] = [nn.Conv2d(CHANNELS * grid, width, 3, padding=1)]
        for _ in range(halvings):
            layers += [ResidualBlock(width, width), nn.Conv2d(width, width, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers, ResidualBlock(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class GridEncoder(nn.Module):
    """`[B, 4, R, R, R]`, indexed [x, y, z], to the latent `[3 B, C, n, n]`."""

    def __init__(self, grid: int, side: int, width: int, code_width: int) -> None:
        super().__init__()
        self.planes = nn.ModuleList(PlaneEncoder(grid, side, width) for _ in range(PLANES))
        self.fuse = nn.Sequential(
            ResidualBlock(PLANES * width, width), group_norm(width), nn.SiLU(),
            nn.Conv2d(width, PLANES * code_width, 3, padding=1),
        )

    def forward(self, grid: Tensor) -> Tensor:
        # Each plane's second axis is its height and its first its width; the third axis becomes channels.
        seen = (grid.permute(0, 1, 4, 3, 2), grid.permute(0, 1, 2, 4, 3), grid.permute(0, 1, 3, 2, 4))
        features = [encoder(view.flatten(1, 2)) for encoder, view in zip(self.planes, seen, strict=True)]
        return planes_in_batch(self.fuse(torch.cat(features, dim=1)))
