# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances between two surfaces inside Blender: rougher than the backend's, but the same for both contenders.

The backend's own measure needs warp, which Blender's Python has not, and Decimate is nowhere but in Blender.
"""

import math
from dataclasses import dataclass

import numpy as np
from mathutils.bvhtree import BVHTree

SAMPLES = 2500
"""Points on each surface; a lookup takes about ten microseconds. The vertices of the reduced mesh come on top."""


@dataclass(frozen=True)
class SearchedSurface:
    """A triangle mesh (vertices float32 [V, 3], faces int32 [F, 3]) with its tree."""

    vertices: np.ndarray
    faces: np.ndarray
    tree: BVHTree

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray) -> "SearchedSurface":
        """For meshes of few faces: Python sees each of them."""
        return cls(vertices, faces, BVHTree.FromPolygons(vertices.tolist(), faces.tolist(), all_triangles=True))

    @property
    def diagonal(self) -> float:
        """Of the bounding box of what the faces use."""
        used = self.vertices[np.unique(self.faces)].astype(np.float64)
        return float(np.linalg.norm(used.max(axis=0) - used.min(axis=0)))


@dataclass(frozen=True)
class Distance:
    """Symmetric distances in the unit of the positions; `error` is the standard error of `mean`."""

    mean: float
    largest: float
    error: float


def between(original: SearchedSurface, reduced: SearchedSurface) -> Distance:
    """Distances from samples of each surface to the other one; every vertex of the reduced one counts for `largest`."""
    there = _distances(evenly_by_area(original.vertices, original.faces, SAMPLES), reduced.tree)
    back = _distances(evenly_by_area(reduced.vertices, reduced.faces, SAMPLES), original.tree)
    corners = _distances(reduced.vertices, original.tree)
    return Distance(
        mean=float(there.mean() + back.mean()) / 2,
        largest=float(max(there.max(), back.max(), corners.max())),
        error=math.sqrt((there.var() + back.var()) / SAMPLES) / 2,
    )


def evenly_by_area(vertices: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Points float64 [count, 3] laid out over the faces evenly by area: the same ones each time."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    filled = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    places = (np.arange(count) + 0.5) / count * filled[-1]
    face = np.minimum(np.searchsorted(filled, places, side="right"), len(faces) - 1)
    # Multiples of the two-dimensional golden ratio and of its square fill the unit square evenly.
    u, w = ((np.arange(count)[:, None] + 1) * [0.7548776662466927, 0.5698402909980532] % 1.0).T
    folded = u + w > 1
    u, w = np.where(folded, 1 - u, u)[:, None], np.where(folded, 1 - w, w)[:, None]
    corner, along, across = a[face], (b - a)[face], (c - a)[face]
    points: np.ndarray = corner + u * along + w * across
    return points


def _distances(points: np.ndarray, tree: BVHTree) -> np.ndarray:
    """Distance of each point [N, 3] to the tree's surface, float64 [N]."""
    find = tree.find_nearest
    return np.array([find(point)[3] for point in points.tolist()])
