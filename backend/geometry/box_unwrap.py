# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain unwrap without distortion or overlap between charts: connected faces that look the same way along an axis.

For meshes that this project makes itself. An artist's mesh is unwrapped in Blender.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

MARGIN = 0.004
"""Room around every chart, of 1."""
PACKING_ROUNDS = 24


def box_unwrap(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """Texture coordinates float32 [F, 3, 2] of every corner in the unit square, all charts at one scale.

    A chart that folds over itself along its axis overlaps itself there.
    """
    corners = np.asarray(vertices, np.float64)[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    side = 2 * axis + (np.take_along_axis(normals, axis[:, None], 1)[:, 0] < 0)
    chart = _charts(np.asarray(faces), side)
    kept = np.array([[1, 2], [2, 0], [0, 1]])[axis]
    flat = np.take_along_axis(corners, kept[:, None, :].repeat(3, axis=1), axis=2)
    low, high = _bounds(flat, chart)
    corner, scale = _packed(high - low)
    return ((flat - low[chart][:, None]) * scale + corner[chart][:, None]).astype(np.float32)


def _charts(faces: NDArray[np.integer], side: NDArray[np.integer]) -> NDArray[np.integer]:
    """The chart of every face: faces that share an edge and look along the same side."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = (edges[order[1:]] == edges[order[:-1]]).all(axis=1)
    first, second = owner[order[:-1]][same], owner[order[1:]][same]
    joined = side[first] == side[second]
    links = coo_matrix((np.ones(joined.sum()), (first[joined], second[joined])), shape=(len(faces),) * 2)
    return connected_components(links, directed=False)[1]


def _bounds(flat: NDArray[np.floating], chart: NDArray[np.integer]) -> tuple[NDArray, NDArray]:
    count = int(chart.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, chart, flat.min(axis=1))
    np.maximum.at(high, chart, flat.max(axis=1))
    return low, high


def _packed(sizes: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
    """Lower left corners of boxes in the unit square, and the largest scale at which shelves hold them all."""
    low, high = 0.0, 1.0 / float(sizes.max())
    for _ in range(PACKING_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _shelves(sizes * middle)[1] <= 1.0 else (low, middle)
    return _shelves(sizes * low)[0], low


def _shelves(sizes: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
    """Corners of boxes laid on shelves from the highest to the lowest, and the height that they take."""
    corners, x, y, shelf = np.zeros_like(sizes), 0.0, 0.0, 0.0
    for index in np.argsort(-sizes[:, 1], kind="stable"):
        width, height = sizes[index] + 2 * MARGIN
        if x + width > 1.0:
            x, y, shelf = 0.0, y + shelf, 0.0
        if width > 1.0:
            return corners, np.inf
        corners[index] = x + MARGIN, y + MARGIN
        x, shelf = x + width, max(shelf, height)
    return corners, y + shelf
