# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of a mesh before its points are sampled or it is tokenized (specification 2.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...geometry.cleaning import remove_duplicate_faces, remove_unreferenced_vertices, remove_zero_area_faces
from ...geometry.mesh import TriangleMesh

MERGE_DISTANCE = 1e-4
"""Vertices nearer than this become one; relative to the bounding box's diagonal."""


def clean_mesh(mesh: TriangleMesh) -> TriangleMesh:
    """Merge close vertices, drop repeated faces, faces without area and vertices without a face; order is kept."""
    mesh = remove_unreferenced_vertices(mesh)
    if mesh.is_empty:
        return mesh
    centers = _centers(mesh.vertices, MERGE_DISTANCE * mesh.diagonal)
    mesh = remove_duplicate_faces(TriangleMesh(mesh.vertices, centers[mesh.faces]))
    return remove_unreferenced_vertices(remove_zero_area_faces(mesh))


def _centers(vertices: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    """For every vertex the one that it moves onto, int64 [V].

    By index, a vertex that is still free takes all free ones nearer than ``radius``; unlike merging along chains, no
    vertex moves farther than that.
    """
    places, first, inverse = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    by_index = np.argsort(first)
    rank = np.empty_like(by_index)
    rank[by_index] = np.arange(len(by_index))
    places = places[by_index].astype(np.float64)
    pairs = cKDTree(places).query_pairs(radius, output_type="ndarray")
    pairs = pairs[np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1) < radius]
    center = np.arange(len(places)).tolist()
    for low, high in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].tolist():
        if center[low] == low and center[high] == high:
            center[high] = low
    return first[by_index][np.array(center)][rank[inverse.ravel()]]
