# SPDX-License-Identifier: GPL-3.0-or-later
"""Connected components of triangle meshes, and the small holes that splitting leaves.

See docs/algorithms/partpacker.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..contract import MeshData
from ..contract.reports import ignore
from .joining import gathered

Indices = NDArray[np.int64]


def directed_edges(faces: NDArray[np.integer]) -> Indices:
    """Return the three directed edges of every face, int64 [3 F, 2]; edge e belongs to face ``e // 3``."""
    return faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)


def edge_runs(edges: Indices) -> tuple[Indices, Indices, Indices]:
    """Group directed edges by their undirected edge.

    Returns ``order``, ``start`` and ``count``: the edges ``order[start[k] : start[k] + count[k]]`` run along one
    undirected edge, in order of their index.
    """
    low, high = edges.min(axis=1), edges.max(axis=1)
    keys = low * (int(high.max(initial=0)) + 1) + high
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    start = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1]]))
    return order, start, np.diff(np.append(start, len(keys)))


def face_labels(
    faces: NDArray[np.integer], *, through_manifold_edges: bool, check: Callable[[], None] = ignore
) -> NDArray[np.int32]:
    """Label every face with its connected component, int32 [F], numbered by their first face.

    With ``through_manifold_edges`` only an edge of exactly two faces connects them; without, every shared edge does.
    ``check`` is called halfway and may raise to give up.
    """
    order, start, count = edge_runs(directed_edges(faces))
    check()
    if through_manifold_edges:
        first = start[count == 2]
    else:
        is_last = np.zeros(len(order), bool)
        is_last[start + count - 1] = True
        first = np.flatnonzero(~is_last)
    left, right = order[first] // 3, order[first + 1] // 3
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(len(faces), len(faces)))
    return connected_components(graph, directed=False)[1]


def component_diagonals(mesh: MeshData, labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the bounding-box diagonal of every component, float64 [C]."""
    if mesh.is_empty:
        return np.zeros(0)
    order = np.argsort(labels, kind="stable")
    start = np.flatnonzero(np.diff(labels[order], prepend=-1))
    # One axis at a time: contiguous columns are several times faster than rows of three.
    squared = np.zeros(len(start))
    for axis in mesh.vertices.T.astype(np.float64):
        corners = axis[mesh.faces[order]]
        high = np.maximum.reduceat(corners.max(axis=1), start)
        squared += (high - np.minimum.reduceat(corners.min(axis=1), start)) ** 2
    return np.sqrt(squared)


def keep_faces(mesh: MeshData, kept: NDArray[np.bool_]) -> MeshData:
    """Return the chosen faces with the vertices that they use, both in their old order, and all that they carry."""
    faces = mesh.faces[kept]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    return gathered(mesh, used, kept, (np.cumsum(used) - 1)[faces])


def is_watertight(mesh: MeshData) -> bool:
    """Whether every edge belongs to exactly two faces."""
    return not mesh.is_empty and bool((edge_runs(directed_edges(mesh.faces))[2] == 2).all())


def split_components(
    mesh: MeshData, *, fill_holes: bool = True, check: Callable[[], None] = ignore
) -> list[MeshData]:
    """Split into components connected through edges of exactly two faces, ordered by their first face.

    Every component gets its own copies of shared vertices. Holes of one triangle or one quadrilateral are filled
    unless ``fill_holes`` is off. ``check`` is called between the steps and may raise to give up.
    """
    if mesh.is_empty:
        return []
    labels = face_labels(mesh.faces, through_manifold_edges=True, check=check).astype(np.int64)
    check()
    owner = labels[:, None] * len(mesh.vertices) + mesh.faces
    keys, faces = np.unique(owner, return_inverse=True)
    separate = gathered(mesh, keys % len(mesh.vertices), slice(None), faces.reshape(-1, 3))
    check()
    vertex_labels = keys // len(mesh.vertices)
    filled = fill_small_holes(separate) if fill_holes else separate
    check()
    labels = vertex_labels[filled.faces[:, 0]]
    order = np.argsort(labels, kind="stable")
    faces = filled.faces[order]
    count = int(labels.max()) + 1
    face_ends = np.cumsum(np.bincount(labels, minlength=count))
    vertex_ends = np.cumsum(np.bincount(vertex_labels, minlength=count))
    parts = []
    for face_end, vertex_end, face_start, vertex_start in zip(
        face_ends, vertex_ends, np.append(0, face_ends[:-1]), np.append(0, vertex_ends[:-1]), strict=True
    ):
        own = slice(face_start, face_end)
        parts.append(gathered(filled, slice(vertex_start, vertex_end), order[own], faces[own] - np.int32(vertex_start)))
    return parts


def border_edges(faces: NDArray[np.integer]) -> Indices:
    """Return the directed edges that belong to one face only, int64 [B, 2], in the direction of that face."""
    edges = directed_edges(faces)
    order, start, count = edge_runs(edges)
    return edges[order[start[count == 1]]]


def fill_small_holes(mesh: MeshData) -> MeshData:
    """Close holes whose border is one triangle or one quadrilateral; other holes stay.

    A border that passes a vertex twice is left open, and so is the outline of a single triangle or quadrilateral,
    which would become a sheet with two sides.
    """
    border = border_edges(mesh.faces)
    following = np.full(len(mesh.vertices), -1, np.int64)
    following[border[:, 0]] = border[:, 1]
    forks = np.flatnonzero(np.bincount(border[:, 0], minlength=len(mesh.vertices)) > 1)
    following[forks] = -1
    ring = [border[:, 0]]
    for _ in range(4):
        ring.append(np.where(ring[-1] >= 0, following[ring[-1]], -1))
    a, b, c, d, e = ring
    first = a == np.minimum(np.minimum(a, b), np.minimum(c, np.where(d >= 0, d, a)))  # one start per loop
    # A corner of one face only means the outline of a sheet of one or two faces, not a hole.
    inner = np.bincount(mesh.faces.ravel(), minlength=len(mesh.vertices)) > 1
    triangle = first & (c >= 0) & (d == a) & inner[a] & inner[b] & inner[c]
    quad = first & (d >= 0) & (d != a) & (e == a) & inner[a] & inner[b] & inner[c] & inner[d]
    patches = [
        np.stack([a, c, b], axis=1)[triangle | quad],
        np.stack([a, d, c], axis=1)[quad],
    ]
    return _patched(mesh, np.concatenate(patches))


def _patched(mesh: MeshData, patches: Indices) -> MeshData:
    """The mesh with more faces; their corners take the UVs of one face at each vertex, and they are not selected."""
    uvs, selection = mesh.uvs, mesh.selection
    if uvs is not None:
        at_vertex = np.zeros((len(mesh.vertices), 2), np.float32)
        at_vertex[mesh.faces.reshape(-1)] = uvs.reshape(-1, 2)
        uvs = np.concatenate([uvs, at_vertex[patches]])
    if selection is not None:
        selection = np.concatenate([selection, np.zeros(len(patches), bool)])
    return replace(mesh, faces=np.concatenate([mesh.faces, patches]), uvs=uvs, selection=selection)


def border_loops(faces: NDArray[np.integer]) -> list[Indices]:
    """Return the closed loops of border edges as vertex indices, each in the direction of its faces.

    A loop that passes a vertex twice is cut there into loops that do not. Open chains, which only faces of mixed
    winding leave, are dropped.
    """
    onward: dict[int, list[int]] = {}
    for start, end in border_edges(faces).tolist():
        onward.setdefault(start, []).append(end)
    loops = []
    for start in list(onward):
        path, place = [start], {start: 0}
        while onward.get(path[-1]):
            vertex = onward[path[-1]].pop()
            if vertex in place:
                loop = path[place[vertex] :]
                loops.append(np.array(loop, np.int64))
                for passed in loop[1:]:
                    del place[passed]
                del path[place[vertex] + 1 :]
            else:
                place[vertex] = len(path)
                path.append(vertex)
    return loops
