# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's field grid as published: constants and NaN where the field was not evaluated, also inside solids.

The product fills by sign, and so needs fewer points for the same surface (docs/algorithms/partpacker.md, section 5).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from backend.geometry.coarse_to_fine import FieldQuery, resolution_ladder

UNEVALUATED = -100.0
NEAR_SURFACE = 0.95
WIDE_BAND_RESOLUTION = 512


def published_grid(query: FieldQuery, resolution: int, min_resolution: int, chunk_size: int) -> Tensor:
    """The field on (resolution + 1)^3 points, float32, NaN where it was not evaluated on the last level."""
    grid = torch.empty(0)
    for level, size in enumerate(resolution_ladder(resolution, min_resolution)):
        mask = torch.ones((size + 1,) * 3, dtype=torch.bool) if level == 0 else _band(grid, size)
        axis = torch.from_numpy(np.linspace(-1, 1, size + 1).astype(np.float32))  # float64 rounded, on this level only
        if level > 0:
            axis = 2 * torch.arange(size + 1, dtype=torch.float32) / size - 1
        values = [query(axis[chunk]) for chunk in mask.nonzero().split(chunk_size)]
        grid = torch.full(mask.shape, UNEVALUATED)
        grid[mask] = torch.cat(values).float()
    return grid.masked_fill(grid == UNEVALUATED, torch.nan)


def _band(coarse: Tensor, resolution: int) -> Tensor:
    """The points of the finer grid to evaluate. A value of -100 has a sign here, which is that of the outside."""
    inside = (coarse >= 0).float()[None]
    differs = torch.zeros_like(coarse, dtype=torch.bool)
    for kernel in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        padding = tuple(size // 2 for size in kernel)
        most, least = max_pool3d(inside, kernel, 1, padding), -max_pool3d(-inside, kernel, 1, padding)
        differs |= (most != least)[0]
    near = differs | (coarse.abs() < NEAR_SURFACE)
    wide = resolution >= WIDE_BAND_RESOLUTION
    fine = torch.zeros((resolution + 1,) * 3, dtype=torch.bool)
    last = 2 * coarse.shape[0] - 1
    fine[:last:2, :last:2, :last:2] = near if wide else _dilated(near, 3)
    return _dilated(fine, 5 if wide else 3)


def _dilated(mask: Tensor, box: int) -> Tensor:
    return max_pool3d(mask.float()[None], box, 1, box // 2)[0] > 0
