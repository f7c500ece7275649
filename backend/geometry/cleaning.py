# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of what marching cubes leaves behind: duplicates, slivers of no area and floating crumbs.

See docs/algorithms/partpacker.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..contract import MeshData
from ..contract.reports import ignore
from .components import component_diagonals, face_labels, keep_faces

MERGE_DISTANCE = 1e-4
"""Vertices nearer than this are one; relative to the bounding box's diagonal."""
SMALLEST_DIAGONAL = 0.05
"""Components whose own diagonal is below this, relative to the whole mesh's, are removed."""
SMALLEST_FACE_COUNT = 25
"""Components of fewer faces are removed."""


def clean_mesh(mesh: MeshData, check: Callable[[], None] = ignore) -> MeshData:
    """Apply the published pipeline's six filters in its order; lengths are relative to the mesh's diagonal.

    Nothing is repaired or remeshed: non-manifold edges and open borders stay. ``check`` is called between the steps,
    each of which takes half a second for a million faces, and may raise to give up.
    """
    mesh = remove_unreferenced_vertices(mesh)
    diagonal = mesh.diagonal
    mesh = merge_close_vertices(mesh, MERGE_DISTANCE * diagonal)
    check()
    mesh = remove_duplicate_faces(mesh)
    check()
    mesh = remove_zero_area_faces(mesh)
    check()
    return remove_small_components(mesh, SMALLEST_DIAGONAL * diagonal, SMALLEST_FACE_COUNT, check)


def remove_unreferenced_vertices(mesh: MeshData) -> MeshData:
    return keep_faces(mesh, np.ones(len(mesh.faces), bool))


def merge_close_vertices(mesh: MeshData, distance: float) -> MeshData:
    """Merge vertices connected by steps of at most ``distance`` into the first of them; collapsed faces are dropped."""
    if mesh.is_empty:
        return mesh
    tree = cKDTree(mesh.vertices, balanced_tree=False, compact_nodes=False)
    pairs = tree.query_pairs(distance, output_type="ndarray")
    if len(pairs) == 0:
        return mesh
    count = len(mesh.vertices)
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    first = np.unique(labels, return_index=True)[1]
    faces = first[labels][mesh.faces]
    a, b, c = faces.T
    return keep_faces(replace(mesh, faces=faces), (a != b) & (b != c) & (c != a))


def remove_duplicate_faces(mesh: MeshData) -> MeshData:
    """Keep the first of the faces that have the same three vertices, whatever their winding."""
    corners = np.sort(mesh.faces, axis=1)
    order = np.lexsort(corners.T)  # stable, so the first of equal faces leads its run
    repeated = (corners[order[1:]] == corners[order[:-1]]).all(axis=1)
    kept = np.ones(len(corners), bool)
    kept[order[1:][repeated]] = False
    return keep_faces(mesh, kept)


def remove_zero_area_faces(mesh: MeshData) -> MeshData:
    return keep_faces(mesh, np.any(mesh.area_vectors() != 0.0, axis=1))


def remove_small_components(
    mesh: MeshData, diagonal: float, face_count: int, check: Callable[[], None] = ignore
) -> MeshData:
    """Remove edge-connected components with a bounding-box diagonal below ``diagonal`` or fewer faces than given."""
    labels = face_labels(mesh.faces, through_manifold_edges=False, check=check)
    check()
    large = (component_diagonals(mesh, labels) >= diagonal) & (np.bincount(labels) >= face_count)
    return keep_faces(mesh, large[labels])


def remove_floaters(mesh: MeshData, share: float = 0.005) -> MeshData:
    """Remove edge-connected components with fewer faces than ``share`` of those of the largest one."""
    if mesh.is_empty:
        return mesh
    labels = face_labels(mesh.faces, through_manifold_edges=False)
    counts = np.bincount(labels)
    return keep_faces(mesh, (counts >= share * counts.max())[labels])
