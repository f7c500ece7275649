# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces as PyMCubes and trimesh have them: vertices in double, equal ones merged, those at NaN dropped.

Only counts depend on the double precision: which vertices near a grid point are one.
"""

import numpy as np
import trimesh
from torch import Tensor

from backend.geometry.isosurface import extract_with_warp


def merged_surface(grid: Tensor) -> trimesh.Trimesh:
    """The surface where a field [R+1, R+1, R+1] on [-1, 1]^3 crosses 0. NaN counts as inside."""
    faces = extract_with_warp(grid.nan_to_num(nan=1.0)).faces
    values = grid.double().numpy()
    above = ~(values <= 0)
    starts, ends = [], []
    for axis in range(3):
        crossed = np.zeros(values.shape, bool)
        inner = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        crossed[inner] = np.diff(above.astype(np.int8), axis=axis) != 0
        starts.append(np.argwhere(crossed))
        ends.append(starts[-1] + np.eye(3, dtype=int)[axis])
    # warp numbers vertices by the grid point where their edge begins, then by axis.
    start, end = np.concatenate(starts), np.concatenate(ends)
    axes = np.repeat(range(3), [len(s) for s in starts])
    order = np.lexsort((axes, *start.T[::-1]))
    start, end = start[order], end[order]
    first, second = values[tuple(start.T)], values[tuple(end.T)]
    share = (0.0 - first) / (second - first)
    vertices = start + share[:, None] * (end - start)
    return trimesh.Trimesh(vertices * 2 / (len(values) - 1) - 1, faces)
