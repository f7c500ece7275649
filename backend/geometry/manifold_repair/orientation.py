# SPDX-License-Identifier: GPL-3.0-or-later
"""Consistent winding, and cutting open what has none (docs/algorithms/silksong.md, section 3)."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..components import face_labels
from .grid_mesh import GridMesh
from .vertex_fans import corner_edges, shared_edges, split_fans

Indices = NDArray[np.int64]


def repair_winding(faces: Indices) -> tuple[Indices, int]:
    """Turn faces int64 [F, 3] until neighbors agree, each connected surface after its first face's majority.

    Every edge has at most two faces. Returns the faces and how many of them had neighbors that contradict each other:
    above 0, the surface is not orientable. The winding is consistent, not outward.
    """
    neighbors, agrees = _neighbors(faces)
    flipped = [False] * len(faces)
    fixed = [False] * len(faces)
    failures = 0
    for seed in range(len(faces)):
        queue = deque([seed])
        while queue:
            face = queue.popleft()
            if fixed[face]:
                continue
            fixed[face] = True
            wrong, fixed_wrong, fixed_right = 0, False, False
            for neighbor, agree in zip(neighbors[face], agrees[face], strict=True):
                if neighbor < 0:
                    continue
                right = agree == (flipped[face] == flipped[neighbor])
                wrong += not right
                if not fixed[neighbor]:
                    queue.append(neighbor)
                elif right:
                    fixed_right = True
                else:
                    fixed_wrong = True
            if fixed_wrong and fixed_right:
                failures += 1
            elif fixed_wrong or (not fixed_right and wrong > 1):
                flipped[face] = True
    return _turned(faces, np.array(flipped, bool)), failures


def cut_open(mesh: GridMesh) -> tuple[GridMesh, int]:
    """Make surfaces that are not orientable so by a seam; orientable ones stay as they are.

    Returns the mesh, whose winding is left as it was, and the number of edges of the seams. A seam is where the faces
    of a breadth-first winding contradict each other, shortened by turning single faces until none shortens it further.
    """
    left, right = shared_edges(mesh.faces)
    edges = corner_edges(mesh.faces)
    agree = edges[left, 0] == edges[right, 1]
    flipped = _fewest_contradictions(*_neighbors(mesh.faces))
    seam = agree != (flipped[left // 3] == flipped[right // 3])
    faces, copied = split_fans(mesh.faces, len(mesh.vertices), left[seam])
    return mesh.with_split(copied, faces), int(seam.sum())


def wind_outward(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.int32]:
    """Wind a decoded mesh consistently, closed parts outward; vertices float [V, 3], faces int [F, 3].

    Parts are what edges of exactly two faces join. An open part keeps the winding of most of its faces, and a part with
    only one side keeps a seam where neighbors contradict each other. Returns int32 [F, 3].
    """
    given = np.asarray(faces, np.int64)
    if not len(given):
        return given.astype(np.int32)
    flipped = _fewest_contradictions(*_neighbors(given))
    wound = _turned(given, flipped)
    parts = face_labels(given, through_manifold_edges=True)
    a, b, c = np.asarray(vertices, np.float64)[wound].transpose(1, 0, 2)
    volumes = np.bincount(parts, np.einsum("ij,ij->i", a, np.cross(b, c)))
    has_neighbor = np.zeros(3 * len(given), bool)
    has_neighbor[np.concatenate(shared_edges(given, of_two_faces=True))] = True
    is_open = np.bincount(parts, ~has_neighbor.reshape(-1, 3).all(axis=1)) > 0
    inverted = np.where(is_open, np.bincount(parts, flipped) * 2 > np.bincount(parts), volumes < 0)
    return _turned(wound, inverted[parts]).astype(np.int32)


def _neighbors(faces: Indices) -> tuple[list[list[int]], list[list[bool]]]:
    """Per face, across the edges opposite its corners: the other face or -1, and whether the windings agree."""
    left, right = shared_edges(faces, of_two_faces=True)
    edges = corner_edges(faces)
    neighbors = np.full(3 * len(faces), -1)
    neighbors[left], neighbors[right] = right // 3, left // 3
    agrees = np.ones(3 * len(faces), bool)
    agrees[left] = agrees[right] = edges[left, 0] == edges[right, 1]
    return neighbors.reshape(-1, 3).tolist(), agrees.reshape(-1, 3).tolist()


def _fewest_contradictions(neighbors: list[list[int]], agrees: list[list[bool]]) -> NDArray[np.bool_]:
    """Which faces to turn, bool [F]: breadth-first, then turned one by one while that leaves fewer contradictions."""
    flipped: list[bool | None] = [None] * len(neighbors)
    for seed in range(len(neighbors)):
        if flipped[seed] is not None:
            continue
        flipped[seed] = False
        queue = deque([seed])
        while queue:
            face = queue.popleft()
            for neighbor, agree in zip(neighbors[face], agrees[face], strict=True):
                if neighbor >= 0 and flipped[neighbor] is None:
                    flipped[neighbor] = flipped[face] == agree
                    queue.append(neighbor)
    queue = deque(range(len(neighbors)))
    while queue:
        face = queue.popleft()
        around = [(n, agree) for n, agree in zip(neighbors[face], agrees[face], strict=True) if n >= 0]
        contradicting = sum(agree != (flipped[face] == flipped[n]) for n, agree in around)
        if 2 * contradicting > len(around):
            flipped[face] = not flipped[face]
            queue.extend(n for n, _ in around)
    return np.array(flipped, bool)


def _turned(faces: Indices, flipped: NDArray[np.bool_]) -> Indices:
    return np.where(flipped[:, None], faces[:, [0, 2, 1]], faces)
