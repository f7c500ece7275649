# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharp vertices and edges of a mesh, and points along them (docs/algorithms/hunyuan3d_shape.md, "Encoding a mesh")."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHARP_BELOW = 0.985
"""Cosine between a vertex's normal and a face's, below which the vertex is sharp."""


def vertex_sharpness(mesh: trimesh.Trimesh) -> Floats:
    """The smallest cosine between each vertex's normal and those of its faces, at most 1, float64 `[V]`."""
    cosines = np.einsum("fcx,fx->fc", mesh.vertex_normals[mesh.faces], mesh.face_normals)
    sharpness = np.ones(len(mesh.vertices))
    np.minimum.at(sharpness, mesh.faces, cosines)
    return sharpness


@dataclass(frozen=True)
class SharpEdges:
    """The directed edges of the triangles whose ends are both sharp.

    Attributes:
        start: first end of each edge, float64 `[E, 6]`: position and normal.
        end: second end, the same.
    """

    start: Floats
    end: Floats

    @classmethod
    def of(cls, mesh: trimesh.Trimesh, sharpness: Floats) -> "SharpEdges":
        """The sharp edges by the vertices' `sharpness`."""
        edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
        sharp = sharpness < SHARP_BELOW
        edges = edges[sharp[edges].all(axis=1)]
        ends = np.concatenate([mesh.vertices, mesh.vertex_normals], axis=1)
        return cls(ends[edges[:, 0]], ends[edges[:, 1]])

    def __len__(self) -> int:
        return len(self.start)

    def points(self, places: Floats, weights: Floats) -> Floats:
        """Points and blended normals, float64 `[N, 6]`.

        Args:
            places: numbers `[N]` in [0, 1) that pick edges in proportion to their length.
            weights: share of each edge's start, `[N]` in [0, 1).
        """
        length = np.linalg.norm((self.end - self.start)[:, :3], axis=1).cumsum()
        edge = np.searchsorted(length / length[-1], places).clip(max=len(self) - 1)
        return weights[:, None] * self.start[edge] + (1 - weights[:, None]) * self.end[edge]
