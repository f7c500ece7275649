# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertices whose faces fall apart into several fans get one copy for each fan.

See docs/algorithms/silksong.md, section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..components import edge_runs

Indices = NDArray[np.int64]


def corner_edges(faces: Indices) -> Indices:
    """Directed edges int64 [3 F, 2]; edge 3 f + j of a face (a, b, c) is b->c, c->a or a->b, so opposite corner j."""
    return faces[:, [1, 2, 2, 0, 0, 1]].reshape(-1, 2)


def shared_edges(faces: Indices, *, of_two_faces: bool = False) -> tuple[Indices, Indices]:
    """Pairs of consecutive edges (indices into :func:`corner_edges`) that run between the same two vertices.

    ``of_two_faces`` leaves out edges where more than two faces meet.
    """
    order, start, count = edge_runs(corner_edges(faces))
    continues = np.repeat(count == 2, count) if of_two_faces else np.ones(len(order), bool)
    continues[start] = False
    second = np.flatnonzero(continues)
    return order[second - 1], order[second]


def non_manifold_edges(faces: Indices) -> Indices:
    """Edges (indices into :func:`corner_edges`) that run where more than two faces meet."""
    order, _, count = edge_runs(corner_edges(faces))
    return order[np.repeat(count > 2, count)]


def detach_non_manifold(faces: Indices, vertex_count: int) -> tuple[Indices, Indices]:
    """Separate the faces that meet at an edge of more than two, without a search for which belong together.

    First such edges stop joining fans; faces that still meet there get corners of their own. Returns as
    :func:`split_fans`.
    """
    faces, copied = split_fans(faces, vertex_count, non_manifold_edges(faces))
    edges = non_manifold_edges(faces)
    corners = np.unique(np.concatenate([_corner(edges, 0), _corner(edges, 1)]))
    flat = faces.ravel().copy()
    origin = np.concatenate([np.arange(vertex_count), copied])[flat[corners]]
    flat[corners] = vertex_count + len(copied) + np.arange(len(corners))
    return flat.reshape(-1, 3), np.concatenate([copied, origin])


def split_fans(faces: Indices, vertex_count: int, cut: Indices | None = None) -> tuple[Indices, Indices]:
    """Give every fan of faces around a vertex a vertex of its own.

    A fan is what edges join; ``cut`` (indices into :func:`corner_edges`, either side of an edge) do not join. The fan
    of the first face keeps the vertex. Returns the faces and the vertices that were copied, in the order in which the
    copies follow the ``vertex_count`` old ones.
    """
    left, right = shared_edges(faces)
    if cut is not None:
        joined = ~(np.isin(left, cut) | np.isin(right, cut))
        left, right = left[joined], right[joined]
    ends = corner_edges(faces)
    rows, columns = [], []
    for end in (0, 1):
        vertex = ends[left, end]
        rows.append(_corner(left, end))
        columns.append(np.where(ends[right, 0] == vertex, _corner(right, 0), _corner(right, 1)))
    row, column = np.concatenate(rows), np.concatenate(columns)
    count = 3 * len(faces)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    _, first, fan = np.unique(labels, return_index=True, return_inverse=True)
    owner = faces.ravel()[first]
    order = np.lexsort((first, owner))
    leads = np.concatenate([np.ones(min(len(order), 1), bool), np.diff(owner[order]) != 0])
    new_vertex = owner.copy()
    copies = order[~leads]
    new_vertex[copies] = vertex_count + np.arange(len(copies))
    return new_vertex[fan].reshape(-1, 3), owner[copies]


def _corner(edge: Indices, end: int) -> Indices:
    """The corner (3 f + j) where ``edge`` begins (end 0) or ends (end 1)."""
    return edge // 3 * 3 + (edge % 3 + 1 + end) % 3
