# SPDX-License-Identifier: GPL-3.0-or-later
"""The condition's points: a mesh's surface as 4,096 points with normals (docs/algorithms/silksong.md, section 2)."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...contract import BadInput

SURFACE_POINTS = 50_000
CONDITION_POINTS = 4096
FACES_AT_ONCE = 500_000
"""Faces whose areas are computed together: millions at once would take gigabytes."""


def sample_condition_points(vertices: ArrayLike, faces: ArrayLike, seed: int = 0) -> Tensor:
    """Position and flat normal of random surface points, float16 `[4096, 6]`, in the frame of the mesh.

    `vertices [V, 3]` normalized, y up; `faces` int `[F, 3]`. Uniform by area. numpy's old generator, since its
    numbers are those of the published pipeline. Raises BadInput for a mesh without area.
    """
    positions, triangles = np.asarray(vertices, np.float64), np.asarray(faces, np.int64).reshape(-1, 3)
    pieces = [triangles[start : start + FACES_AT_ONCE] for start in range(0, len(triangles), FACES_AT_ONCE)]
    lengths = np.concatenate([np.zeros(0), *(_corner_edges_normals(positions[piece])[3] for piece in pieces)])
    cumulative = np.cumsum(lengths / 2)
    if not (len(cumulative) and np.isfinite(cumulative[-1]) and cumulative[-1] > 0):
        raise BadInput("The mesh has no surface.", "Its faces have no area, or its vertices have invalid positions.",
                       "Choose a mesh with faces.")
    random = np.random.RandomState(seed)
    face = np.searchsorted(cumulative, random.random_sample(SURFACE_POINTS) * cumulative[-1])
    u = random.random_sample((SURFACE_POINTS, 2, 1))
    u = np.where(u.sum(axis=1, keepdims=True) > 1, np.abs(u - 1), u)
    corner, edges, normals, twice_area = _corner_edges_normals(positions[triangles[face]])
    points = corner + (u * edges).sum(axis=1)
    sampled = np.concatenate([points, normals / twice_area[:, None]], axis=1)
    return choose_condition_points(sampled, random)


def _corner_edges_normals(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """First corner [F, 3], edges from it [F, 2, 3], normal [F, 3] and its length [F] of triangles [F, 3, 3]."""
    edges = corners[:, 1:] - corners[:, :1]
    normals = np.cross(edges[:, 0], edges[:, 1])
    return corners[:, 0], edges, normals, np.linalg.norm(normals, axis=1)


def choose_condition_points(points: NDArray[np.floating], random: np.random.RandomState) -> Tensor:
    """4,096 of `points [N, 6]`, float16; without replacement where there are enough."""
    chosen = random.choice(len(points), CONDITION_POINTS, replace=len(points) < CONDITION_POINTS)
    return torch.from_numpy(points[chosen].astype(np.float16))
