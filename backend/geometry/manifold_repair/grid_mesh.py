# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes on the quantization grid: snapping, and removal of what snapping degenerates.

See docs/algorithms/silksong.md, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_AREA = 1e-5
FINEST = 8192
"""Cells per axis at the most: squares of areas must stay whole numbers of 64 bits."""
"""Faces of less area, in the normalized frame, are dropped; at 128 cells these are exactly the collinear ones."""


@dataclass(frozen=True)
class GridMesh:
    """A mesh whose vertices are cells of a grid over [-1, 1]^3."""

    vertices: NDArray[np.int64]
    """int64 [V, 3]."""
    faces: NDArray[np.int64]
    """int64 [F, 3]."""
    source: NDArray[np.int64]
    """For every vertex the one of the snapped mesh that it is, or is a copy of, int64 [V]."""

    def with_split(self, origin: NDArray[np.int64], faces: NDArray[np.int64]) -> GridMesh:
        """The mesh with other faces, and with copies of the vertices ``origin`` [N] appended."""
        sources = np.concatenate([self.source, self.source[origin]])
        return GridMesh(np.concatenate([self.vertices, self.vertices[origin]]), faces, sources)

    def with_faces(self, faces: NDArray[np.int64]) -> GridMesh:
        return GridMesh(self.vertices, faces, self.source)


def quantize(positions: NDArray[np.float64], resolution: int) -> NDArray[np.int64]:
    """Cells int64 [V, 3] of normalized ``positions`` [V, 3]; rounding is toward zero."""
    return np.minimum(np.trunc((positions + 1) * resolution / 2), resolution - 1).astype(np.int64)


def cell_centers(cells: NDArray[np.integer], resolution: int) -> NDArray[np.float64]:
    """Positions float64 [V, 3] of the centers of ``cells`` in the normalized frame."""
    return (np.asarray(cells, np.float64) + 0.5) * (2 / resolution) - 1


def snap(
    positions: NDArray[np.float64],
    faces: NDArray[np.integer],
    resolution: int,
    smallest_area: float = SMALLEST_AREA,
) -> GridMesh:
    """Quantize a mesh; vertices of one cell become the first of them, degenerate and repeated faces go.

    So do faces whose area on the grid, in the frame of ``positions``, is below ``smallest_area``; its default is the
    published one, which on a grid finer than the tokens' also drops faces that have some. ``resolution`` is at most
    :data:`FINEST`. Vertices are all kept, so that indices stay; the merged ones are unused afterward.
    """
    cells = quantize(positions, resolution)
    keys = (cells[:, 0] * resolution + cells[:, 1]) * resolution + cells[:, 2]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    merged = first[inverse][np.asarray(faces, np.int64)].reshape(-1, 3)
    smallest = 2 * smallest_area * (resolution / 2) ** 2  # doubled, in cells
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (c != a)]
    merged = merged[_squared_double_areas(cells, merged) >= smallest**2]
    kept = np.unique(np.sort(merged, axis=1), axis=0, return_index=True)[1] if len(merged) else np.zeros(0, np.int64)
    return GridMesh(cells, merged[np.sort(kept)], np.arange(len(cells)))


def _squared_double_areas(cells: NDArray[np.int64], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exact squares of the faces' doubled areas in units of cells, int64 [F]."""
    corners = cells[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.einsum("ij,ij->i", normals, normals)
