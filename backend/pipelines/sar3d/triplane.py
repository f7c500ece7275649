# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a triplane: at points anywhere, and at all points of a regular grid at once.

A triplane is float32 [B, 3, C, H, W]. In plane coordinates the planes fill [-1, 1]²: plane 0 is read at (x, y), plane 1
at (y, z), plane 2 at (z, x), the first along the width. Outside of it planes are zero. Points' frame is Z up.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .token_layout import PLANES

AXES = ((0, 1), (1, 2), (2, 0))
"""Axes of space along the width and the height of each plane."""


def sample_triplane(triplane: Tensor, points: Tensor) -> Tensor:
    """Bilinear features `[B, P, 3 C]` at `points [B, P, 3]` in plane coordinates, plane after plane."""
    batch, _, channels = triplane.shape[:3]
    across = torch.stack([points[..., list(axes)] for axes in AXES], dim=1)
    features = functional.grid_sample(
        triplane.flatten(0, 1), across.flatten(0, 1)[:, None].to(triplane.dtype), align_corners=False
    )
    return features.view(batch, PLANES, channels, -1).permute(0, 3, 1, 2).flatten(2)


def sample_planes_on_grid(triplane: Tensor, axis: Tensor) -> Tensor:
    """Features `[B, 3, n, n, C]` of each plane where a grid with `axis [n]` (plane coordinates) on all axes meets it.

    Indexed by the two axes of space in the order of `AXES`: the features of a whole grid are combinations of these,
    which spares reading each of its n³ points.
    """
    wide, high = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([wide, high], dim=-1).to(triplane.dtype)
    features = functional.grid_sample(
        triplane.flatten(0, 1), points.expand(PLANES * len(triplane), -1, -1, -1), align_corners=False
    )
    return features.permute(0, 2, 3, 1).unflatten(0, (-1, PLANES))


def first_layer_on_grid(planes: Tensor, layer: torch.nn.Linear, rows: slice) -> Tensor:
    """What a linear layer of all features gives on the slab of grid points with x in `rows`, `[B, r, n, n, W]`.

    `planes [B, 3, n, n, C]` is `sample_planes_on_grid`. Each plane goes through its part of the layer before the
    grid's points are formed.
    """
    parts = layer.weight.unflatten(1, (PLANES, -1))
    xy = functional.linear(planes[:, 0, rows], parts[:, 0], layer.bias)
    yz = functional.linear(planes[:, 1], parts[:, 1])
    zx = functional.linear(planes[:, 2][:, :, rows], parts[:, 2]).transpose(1, 2)
    return xy[:, :, :, None] + yz[:, None] + zx[:, :, None]
