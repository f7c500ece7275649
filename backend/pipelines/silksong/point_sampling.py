# SPDX-License-Identifier: GPL-3.0-or-later
"""The condition's points: a mesh's surface as 4,096 points with normals (spec section 2.2)."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...contract import BadInput

SURFACE_POINTS = 50_000
CONDITION_POINTS = 4096


def sample_condition_points(vertices: ArrayLike, faces: ArrayLike, seed: int = 0) -> Tensor:
    """Position and flat normal of random surface points, float16 `[4096, 6]`, in the frame of the mesh.

    `vertices [V, 3]` normalised, y up; `faces` int `[F, 3]`. Uniform by area. numpy's old generator, since its
    numbers are those of the published pipeline. Raises BadInput for a mesh without area.
    """
    corners = np.asarray(vertices, np.float64)[np.asarray(faces, np.int64).reshape(-1, 3)]
    edges = corners[:, 1:] - corners[:, :1]
    normals = np.cross(edges[:, 0], edges[:, 1])
    lengths = np.linalg.norm(normals, axis=1)
    cumulative = np.cumsum(lengths / 2)
    if not (len(cumulative) and np.isfinite(cumulative[-1]) and cumulative[-1] > 0):
        raise BadInput("The mesh has no surface.", "Its faces have no area, or its vertices are not numbers.",
                       "Choose a mesh with faces.")
    random = np.random.RandomState(seed)
    face = np.searchsorted(cumulative, random.random_sample(SURFACE_POINTS) * cumulative[-1])
    u = random.random_sample((SURFACE_POINTS, 2, 1))
    u = np.where(u.sum(axis=1, keepdims=True) > 1, np.abs(u - 1), u)
    points = corners[face, 0] + (u * edges[face]).sum(axis=1)
    sampled = np.concatenate([points, normals[face] / lengths[face, None]], axis=1)
    return choose_condition_points(sampled, random)


def choose_condition_points(points: NDArray[np.floating], random: np.random.RandomState) -> Tensor:
    """4,096 of `points [N, 6]`, float16; without replacement where there are enough."""
    chosen = random.choice(len(points), CONDITION_POINTS, replace=len(points) < CONDITION_POINTS)
    return torch.from_numpy(points[chosen].astype(np.float16))
