# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact Voronoi cells on a grid of texels: which seed is nearest to each texel.

A texture is filled from its seeds by a gather: ``texture.flatten()[nearest_seeds(seeds)]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import kernels, voronoi_kernels


def nearest_seeds(seeds: Tensor) -> Tensor:
    """Return the linear index (row * W + column) of every texel's nearest seed, int32 [..., H, W]; -1 without seeds.

    Of equally near seeds the smallest index is taken. Two passes of integer arithmetic (Meijster, Roerdink and
    Hesselink, 2000): along the rows, then along the columns, linear in the number of texels.

    Args:
        seeds: bool [..., H, W]; H² + W² below 2^31.
    """
    *_, height, width = seeds.shape
    flags = seeds.reshape(-1, height, width).to(torch.uint8).contiguous()
    column = torch.empty(flags.shape, dtype=torch.int32, device=seeds.device)
    apex, start, nearest = (torch.empty_like(column) for _ in range(3))
    count, device = len(flags), seeds.device
    kernels.launch(voronoi_kernels.nearest_in_row, (count, height), flags, column, device=device)
    kernels.launch(voronoi_kernels.nearest_over_rows, (count, width), column, apex, start, nearest, device=device)
    return nearest.view(seeds.shape)
