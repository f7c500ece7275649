# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching cubes on the device where the grid lies: warp where it can use that GPU, scikit-image elsewhere.

Both use the classic 256 cases with linear interpolation (Lorensen and Cline 1987, in Paul Bourke's table) and give the
same vertices and the same number of faces as PyMCubes, which published pipelines use; scikit-image cuts most polygons
along other diagonals. The table separates corners that are set across an ambiguous face. PyMCubes sets the corners
outside, these libraries those that are larger, so both are given the negated grid. A grid value that equals the level
is outside, and gives faces without area, which cleaning removes.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from ..contract import MeshData
from .library_devices import warp_runs_on


def extract_isosurface(grid: Tensor, *, level: float = 0.0) -> MeshData:
    """Return the surface where the field on the cube [-1, 1]^3 crosses ``level``.

    Args:
        grid: finite float32 [R+1, R+1, R+1], indexed [x, y, z], larger inside.
        level: the iso value; a point counts as inside when it is larger.

    Returns:
        A mesh in the grid's frame whose enclosed volume is positive; empty where the field never crosses the level.
        Where the solid meets the border of the cube the surface is open.

    Raises:
        ValueError: the grid holds NaN or infinity, or is no cube.
    """
    if grid.dim() != 3 or len(set(grid.shape)) != 1:
        raise ValueError(f"the grid must be a cube, not {tuple(grid.shape)}")
    low, high = (float(value) for value in torch.aminmax(grid))
    if not np.isfinite(low + high):
        raise ValueError("the grid holds values that are not finite")
    if not low <= level < high:
        return MeshData.empty()
    if grid.is_cuda and warp_runs_on(grid.device):
        return extract_with_warp(grid, level)
    return extract_with_skimage(grid, level)


def extract_with_skimage(grid: Tensor, level: float = 0.0) -> MeshData:
    """Extract on the CPU. The grid must cross the level."""
    values = -grid.detach().to("cpu", torch.float32).numpy()
    # scikit-image sets corners above the level only: one that equals it must be above to count as outside.
    values[values == np.float32(-level)] = np.nextafter(np.float32(-level), np.float32(np.inf))
    vertices, faces, _, _ = marching_cubes(values, -level, method="lorensen", gradient_direction="descent")
    return MeshData(vertices * np.float32(2.0 / (values.shape[0] - 1)) - np.float32(1.0), faces)


def extract_with_warp(grid: Tensor, level: float = 0.0) -> MeshData:
    """Extract on the grid's own device, with one copy of the grid. The grid must cross the level."""
    import warp as wp  # slow to load, so only where it is used
    from warp.geometry import IsoSurfaceMarchingCubes

    wp.init()
    field = wp.from_torch((-grid.detach().to(torch.float32)).contiguous())
    vertices, indices = IsoSurfaceMarchingCubes.extract(
        field, -level, lower=(-1.0, -1.0, -1.0), upper=(1.0, 1.0, 1.0)
    )
    # warp winds so that normals point to where the given field is larger, which is outside.
    return MeshData(vertices.numpy(), indices.numpy().reshape(-1, 3))
