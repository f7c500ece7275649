# SPDX-License-Identifier: GPL-3.0-or-later
"""Voronoi cells on a grid of texels: which seed is nearest to each texel (SPEC 2.9).

`nearest_seeds` is exact; `jump_flood` gives the published pipeline's cells, which are not exact at rare texels. A
texture is filled from its seeds by a gather: ``texture.flatten()[nearest_seeds(seeds)]``.
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


def jump_flood(seeds: Tensor) -> Tensor:
    """Return the cells of the published pipeline's jump flooding, int32 [..., H, W] as of `nearest_seeds`.

    Steps halve from half the longer side down to 1. Neighbors are found on the linear index, so that they wrap from
    one row into the next, and two buffers alternate, each going on from what it held two steps before.
    """
    *_, height, width = seeds.shape
    texel = torch.arange(height * width, device=seeds.device)
    written = torch.where(seeds.reshape(-1, height * width), texel, -1)
    read = written.clone()
    step = max(height, width) // 2
    while step > 0:
        read, written = written, read
        best = _squared_distance(written, texel, width)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                source = texel + (i * width + j) * step
                inside = (source >= 0) & (source < len(texel))
                candidate = torch.where(inside, read[:, source.clamp(0, len(texel) - 1)], -1)
                distance = _squared_distance(candidate, texel, width)
                nearer = distance < best
                written, best = torch.where(nearer, candidate, written), torch.where(nearer, distance, best)
        step //= 2
    return written.int().view(seeds.shape)


def _squared_distance(seed: Tensor, texel: Tensor, width: int) -> Tensor:
    """From texels [H * W] to seeds [N, H * W]; infinitely far, 2^62, where the seed is -1."""
    rows, columns = seed // width - texel // width, seed % width - texel % width
    return torch.where(seed < 0, 1 << 62, rows**2 + columns**2)
