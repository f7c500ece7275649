# SPDX-License-Identifier: GPL-3.0-or-later
"""Splitting vertices until every edge has at most two faces and every vertex one fan.

See docs/algorithms/silksong.md, section 3.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ...contract import BadInput
from .grid_mesh import GridMesh
from .labels import FaceLabels
from .link import CycleSearch, decompose, link_graph
from .vertex_fans import corner_edges, detach_non_manifold, non_manifold_edges, split_fans

MOST_STEPS = 1_000_000
"""Vertices of cycles that the bounded searches of one mesh look at, a few seconds."""


@dataclass(frozen=True)
class SplitLimits:
    """What a mesh may ask of the splitting."""

    faces_per_vertex: float = math.inf
    non_manifold_vertices: float = math.inf
    most_steps: float = MOST_STEPS
    deadline: float = math.inf
    """Of `time.monotonic`; past it, nothing is searched any more."""


@dataclass(frozen=True)
class SplitMesh:
    """The manifold mesh and what the splitting did."""

    mesh: GridMesh
    labels: NDArray[np.int64]
    """Label root of every face, int64 [F]; faces of one label have one color in the published tool."""
    searches_stopped: int
    """Cycle searches that ended at their bound."""
    detached: int
    """Vertices that were not reached in time; their faces were separated without a search."""


def split_non_manifold(mesh: GridMesh, limits: SplitLimits) -> SplitMesh:
    """Make every vertex's faces one fan, by copies of vertices; no face is added, moved or lost.

    Raises BadInput for a mesh beyond ``limits``.
    """
    faces, copied = split_fans(mesh.faces, len(mesh.vertices))
    mesh = mesh.with_split(copied, faces)
    non_manifold = np.unique(corner_edges(mesh.faces)[non_manifold_edges(mesh.faces)])
    _check(mesh, copied, non_manifold, limits)
    is_manifold = np.ones(len(mesh.vertices), bool)
    is_manifold[non_manifold] = False
    labels = FaceLabels(mesh.faces, is_manifold)
    detached = 0
    search = CycleSearch(limits.most_steps, limits.deadline)
    if len(non_manifold):
        resolver = _Resolver(mesh, labels, search)
        detached = resolver.resolve(non_manifold.tolist(), limits.deadline)
        mesh = resolver.result()
        if detached:
            faces, copied = detach_non_manifold(mesh.faces, len(mesh.vertices))
            mesh = mesh.with_split(copied, faces)
        faces, copied = split_fans(mesh.faces, len(mesh.vertices))
        mesh = mesh.with_split(copied, faces)
        for fan in _faces_of_vertices(mesh.faces, len(mesh.vertices)):
            labels.unite(fan)
    roots = np.array([labels.root(face) for face in range(len(mesh.faces))], np.int64)
    return SplitMesh(mesh, roots, search.stopped_early, detached)


def _check(mesh: GridMesh, copied: NDArray[np.int64], non_manifold: NDArray[np.int64], limits: SplitLimits) -> None:
    counts = np.bincount(mesh.faces.ravel(), minlength=len(mesh.vertices))
    # The published tokenizer lists the faces of vertices that it has just split twice.
    split = np.unique(np.concatenate([copied, np.arange(len(mesh.vertices) - len(copied), len(mesh.vertices))]))
    counts[split] *= 2
    if counts.max(initial=0) > limits.faces_per_vertex:
        raise BadInput(
            "The mesh cannot be encoded.",
            f"One vertex has more than {limits.faces_per_vertex} faces.",
            "Subdivide or dissolve fans with very many faces.",
        )
    if len(non_manifold) > limits.non_manifold_vertices:
        raise BadInput(
            "The mesh cannot be encoded.",
            f"{len(non_manifold)} vertices lie on edges with more than two faces; {limits.non_manifold_vertices} may.",
            "Remove inner walls and doubled faces first.",
        )


def _faces_of_vertices(faces: NDArray[np.int64], vertex_count: int) -> list[list[int]]:
    """For every vertex its faces by index."""
    order = np.argsort(faces.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(faces.ravel(), minlength=vertex_count))
    return [part.tolist() for part in np.split(order // 3, ends[:-1])]


class _Resolver:
    """Splits the vertices of edges with more than two faces, one at a time, neighbors of a split first."""

    def __init__(self, mesh: GridMesh, labels: FaceLabels, search: CycleSearch) -> None:
        self._mesh = mesh
        self._faces: list[list[int]] = mesh.faces.tolist()
        self._incident = _faces_of_vertices(mesh.faces, len(mesh.vertices))
        self._labels = labels
        self._search = search
        self._copied: list[int] = []

    def resolve(self, vertices: list[int], deadline: float) -> int:
        """Split ``vertices`` (ascending), first the lowest whose link has a cycle; returns how many time leaves."""
        waiting = dict.fromkeys(vertices)
        vertex = next((v for v in vertices if not nx.is_forest(self._link(v))), vertices[0])
        stack: list[int] = []
        while True:
            del waiting[vertex]
            stack += self._split(vertex)
            if not waiting or time.monotonic() > deadline:
                return len(waiting)
            while stack and stack[-1] not in waiting:
                stack.pop()
            vertex = stack.pop() if stack else next(iter(waiting))

    def result(self) -> GridMesh:
        return self._mesh.with_split(np.array(self._copied, np.int64), np.array(self._faces, np.int64).reshape(-1, 3))

    def _link(self, vertex: int) -> nx.Graph:
        return link_graph(vertex, ((face, self._faces[face]) for face in self._incident[vertex]))

    def _split(self, vertex: int) -> set[int]:
        """Give all groups but the first a copy of ``vertex``; the other vertices of the faces that moved."""
        groups = decompose(self._link(vertex), self._labels.root, self._search)
        for group in groups:
            self._labels.unite(group)
        neighbors: set[int] = set()
        self._incident[vertex] = groups[0]
        for group in groups[1:]:
            copy = len(self._incident)
            self._incident.append(group)
            self._copied.append(vertex)
            for face in group:
                neighbors.update(corner for corner in self._faces[face] if corner != vertex)
                self._faces[face] = [copy if corner == vertex else corner for corner in self._faces[face]]
        for group in groups:
            self._labels.spread(group)
        return neighbors
