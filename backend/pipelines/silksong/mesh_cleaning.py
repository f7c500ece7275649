# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of a mesh before its points are sampled or it is tokenized (docs/algorithms/silksong.md, section 2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...contract import MeshData
from ...contract.reports import ignore
from ...geometry.cleaning import remove_duplicate_faces, remove_unreferenced_vertices, remove_zero_area_faces

MERGE_DISTANCE = 1e-4
"""Vertices nearer than this become one; relative to the bounding box's diagonal."""
MOST_VERTICES = 1_000_000
"""Of a mesh whose vertices are compared one by one; that of more takes long, and any merge serves (specification)."""
MOST_CROWDED = 4_000_000
"""Sum of squares of how many vertices share a cell: about the pairs to compare. A stray vertex far away stretches the
diagonal until all the others are near one another."""


def clean_mesh(mesh: MeshData, check: Callable[[], None] = ignore) -> MeshData:
    """Merge close vertices, drop repeated faces, faces without area and vertices without a face; order is kept.

    ``check`` is called between the steps, each of which takes about a second for five million faces, and may raise to
    give up.
    """
    mesh = remove_unreferenced_vertices(mesh)
    if mesh.is_empty:
        return mesh
    check()
    centers = _centers(mesh.vertices, MERGE_DISTANCE * mesh.diagonal)
    check()
    mesh = remove_duplicate_faces(MeshData(mesh.vertices, centers[mesh.faces]))
    check()
    mesh = remove_zero_area_faces(mesh)
    check()
    return remove_unreferenced_vertices(mesh)


def _centers(vertices: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    """For every vertex the one that it moves onto, int64 [V].

    By index, a vertex that is still free takes all free ones nearer than ``radius``; unlike merging along chains, no
    vertex moves farther than that. Where that would take long, those of a cell of side ``radius`` become one.
    """
    if len(vertices) > MOST_VERTICES:
        return _first_of_cell(vertices, radius)
    places, first, inverse = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    by_index = np.argsort(first)
    rank = np.empty_like(by_index)
    rank[by_index] = np.arange(len(by_index))
    places = places[by_index].astype(np.float64)
    crowds = np.bincount(np.unique(_first_of_cell(places, radius), return_inverse=True)[1])
    if (crowds.astype(np.float64) ** 2).sum() > MOST_CROWDED:
        return first[by_index][_first_of_cell(places, radius)][rank[inverse.ravel()]]
    pairs = cKDTree(places).query_pairs(radius, output_type="ndarray")
    pairs = pairs[np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1) < radius]
    center = np.arange(len(places)).tolist()
    for low, high in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].tolist():
        if center[low] == low and center[high] == high:
            center[high] = low
    return first[by_index][np.array(center)][rank[inverse.ravel()]]


def _first_of_cell(vertices: NDArray[np.floating], side: float) -> NDArray[np.int64]:
    """For every vertex the first one in its cube of a grid, int64 [V]; the grid has less than 2^15 cubes per axis."""
    offset = vertices.astype(np.float64) - vertices.min(axis=0)
    x, y, z = np.floor(offset / side).astype(np.int64).T if side else np.zeros_like(offset, np.int64).T
    _, first, inverse = np.unique((x << 40) + (y << 20) + z, return_index=True, return_inverse=True)
    return first[inverse]
