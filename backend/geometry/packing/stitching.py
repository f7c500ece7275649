# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing of flat convex holes by triangle fans (docs/algorithms/partpacker.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..components import border_loops

TOUCHING_DISTANCE = 1e-6
TOUCHING_POINTS = 4
COPLANAR_LIMIT = 1.0
"""Largest difference of two unit normals, signs ignored; very loose, about 60 degrees."""
TURN_LIMIT = 0.01
"""Turns (cross products of successive edges) up to this are straight."""

Points = NDArray[np.floating]


def stitch_holes(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return the mesh with its flat convex holes closed; an unchanged mesh is returned as it is.

    Holes whose borders run along each other stay open, since they are the two sides of one seam.
    """
    loops = [loop for loop in border_loops(mesh.faces) if len(loop) >= 3]
    touching = touching_loops([mesh.vertices[loop] for loop in loops], TOUCHING_DISTANCE)
    seams = {number for pair in touching for number in pair}
    fans = []
    for number, loop in enumerate(loops):
        if number not in seams and is_coplanar_and_convex(mesh.vertices[loop]):
            # Against the direction of the border, so that the fan winds like its neighbors.
            fans.append(np.stack([np.full(len(loop) - 2, loop[0]), loop[2:], loop[1:-1]], axis=1))
    if not fans:
        return mesh
    return trimesh.Trimesh(mesh.vertices, np.concatenate([mesh.faces, *fans]), process=False)


def touching_loops(loops: Sequence[Points], distance: float) -> list[tuple[int, int]]:
    """Return the pairs of loops (points [N, 3] each) that run along each other.

    They do when at least four pairs of their points, or half as many as one of them has, are nearer than ``distance``.
    """
    if len(loops) < 2:
        return []
    sizes = np.array([len(loop) for loop in loops])
    owner = np.repeat(np.arange(len(loops)), sizes)
    pairs = owner[cKDTree(np.concatenate(loops)).query_pairs(distance, output_type="ndarray")]
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    enough = (counts >= TOUCHING_POINTS) | (counts >= sizes[pairs].min(axis=1, initial=2**31) / 2)
    return [(int(first), int(second)) for first, second in pairs[enough]]


def is_coplanar_and_convex(polygon: Points) -> bool:
    """Whether a polygon [N, 3], not closed by a repeated point, can be filled by a fan from its first point."""
    spokes = polygon[1:] - polygon[0]
    normals = np.cross(spokes[:-1], spokes[1:])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals[length[:, 0] > 0] / length[length[:, 0] > 0]
    if len(normals) == 0:
        return False
    tilt = np.linalg.norm(np.abs(normals) - np.abs(normals[0]), axis=1)
    if (tilt > COPLANAR_LIMIT).any():
        return False
    right = spokes[-1] / np.linalg.norm(spokes[-1])
    up = np.cross(right, normals[0])
    flat = polygon @ np.stack([right, up / np.linalg.norm(up)], axis=1)
    edges = np.roll(flat, -1, axis=0) - flat
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return not ((turns > TURN_LIMIT).any() and (turns < -TURN_LIMIT).any())
