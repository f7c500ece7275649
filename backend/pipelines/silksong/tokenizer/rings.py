# SPDX-License-Identifier: GPL-3.0-or-later
"""Components, the ring of vertices around each vertex, and layers of vertices.

See docs/algorithms/silksong.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....contract import BadInput
from ....geometry.components import face_labels
from ....geometry.manifold_repair.grid_mesh import GridMesh
from .vocabulary import MAX_LAYER_VERTICES, MAX_LAYERS, MIN_COMPONENT_FACES

MOST_FACES = 12_000
"""Faces of all kept components together that the published tokenizer accepts."""
MOST_NEIGHBORS = 100
"""Longest ring that the published tokenizer walks."""


@dataclass(frozen=True)
class Components:
    """The kept components: their faces, in the order of encoding, and what was dropped."""

    faces: list[NDArray[np.int64]]
    dropped: int


def sorted_components(mesh: GridMesh) -> Components:
    """Edge-connected components by their lowest face in y, then z, then x; faces int64 [F, 3] sorted alike.

    Components of fewer than three faces are dropped. Raises BadInput when none or too much is left.
    """
    if not len(mesh.faces):
        raise _nothing_left()
    x, y, z = mesh.vertices[mesh.faces].sum(axis=1).T
    faces = mesh.faces[np.lexsort((x, z, y))]
    labels = face_labels(faces, through_manifold_edges=False)
    counts = np.bincount(labels)
    kept = counts >= MIN_COMPONENT_FACES
    order = np.argsort(labels, kind="stable")
    parts = np.split(faces[order], np.cumsum(counts)[:-1])
    result = Components([part for part, keep in zip(parts, kept, strict=True) if keep], int((~kept).sum()))
    if not result.faces:
        raise _nothing_left()
    if counts[kept].sum() > MOST_FACES:
        raise BadInput(
            "The mesh cannot be encoded.",
            f"It has {counts[kept].sum()} faces; at most {MOST_FACES} can be.",
            "Reduce the mesh first.",
        )
    return result


def _nothing_left() -> BadInput:
    return BadInput(
        "There is nothing to encode.",
        f"No part of the mesh has {MIN_COMPONENT_FACES} connected faces with an area at this resolution.",
        "Select a larger mesh.",
    )


def vertex_rings(faces: NDArray[np.int64]) -> dict[int, list[int]]:
    """For every vertex its neighbors, counter-clockwise; of a border vertex, from border to border.

    ``faces`` int64 [F, 3] are consistently wound, with one fan at every vertex. Closed rings start at the vertex after
    this one in the first face.
    """
    onward: dict[int, dict[int, int]] = {}
    for a, b, c in faces.tolist():
        onward.setdefault(a, {})[b] = c
        onward.setdefault(b, {})[c] = a
        onward.setdefault(c, {})[a] = b
    return {vertex: _ring(following) for vertex, following in onward.items()}


def _ring(following: dict[int, int]) -> list[int]:
    border = following.keys() - following.values()
    start = border.pop() if border else next(iter(following))
    ring = [start]
    vertex = following[start]
    while vertex != start:
        ring.append(vertex)
        if vertex not in following:
            break
        vertex = following[vertex]
    if len(ring) > MOST_NEIGHBORS:
        raise BadInput(
            "The mesh cannot be encoded.",
            f"One vertex has more than {MOST_NEIGHBORS} neighbors.",
            "Dissolve fans with very many faces.",
        )
    return ring


def vertex_layers(start: int, rings: dict[int, list[int]]) -> list[list[int]]:
    """Layers of vertices around ``start``; each vertex of a layer adds the first run of its ring not visited yet.

    Raises BadInput beyond 200 layers or 200 vertices in one.
    """
    layers = [[start]]
    visited = {start}
    while True:
        following: dict[int, None] = {}
        for vertex in layers[-1]:
            following.update(dict.fromkeys(_first_unvisited_run(rings[vertex], visited)))
        if not following:
            return layers
        if len(layers) == MAX_LAYERS or len(following) > MAX_LAYER_VERTICES:
            raise BadInput(
                "The mesh cannot be encoded.",
                f"A part needs more than {MAX_LAYERS} layers or more than {MAX_LAYER_VERTICES} vertices in one layer.",
                "Reduce the mesh, or separate long parts.",
            )
        layers.append(list(following))
        visited.update(following)


def _first_unvisited_run(ring: list[int], visited: set[int]) -> list[int]:
    """The first run of vertices not in ``visited`` behind the first visited one, cyclically."""
    first = next((i for i, vertex in enumerate(ring) if vertex in visited), None)
    if first is None:
        return ring
    run: list[int] = []
    for vertex in ring[first + 1 :] + ring[:first]:
        if vertex not in visited:
            run.append(vertex)
        elif run:
            break
    return run
