# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as its file holds it, and as `MeshData` in the world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from ...contract import MeshData
from .surfaces import Surface

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class MeshNode:
    """One node of a file's scene: a mesh with all of its materials.

    Attributes:
        name: of the node in the file.
        vertices: float64 [V, 3] in the node's own frame; of a skinned mesh as its joints place it.
        faces: int64 [F, 3], in the file's order.
        to_blender: the matrix float64 [4, 4] that takes it to the world in Blender's frame.
        uvs: float32 [F, 3, 2] a corner, v up, of the set that its base color uses; None where a face has none.
        colors: float64 [F, 3, 4] a corner, sRGB and alpha in [0, 1]; None where no face has any.
        normals: float32 [F, 3, 3] a corner, in the node's own frame; None where a face has none.
        surfaces: its materials.
        surface: int64 [F], each face's index in `surfaces`; -1 for none.
        place: where it is in its file, for a format that is written back.
    """

    name: str
    vertices: Floats
    faces: Indices
    to_blender: Floats
    uvs: NDArray[np.float32] | None = None
    colors: Floats | None = None
    normals: NDArray[np.float32] | None = None
    surfaces: tuple[Surface, ...] = ()
    surface: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    place: Any = None

    def world_vertices(self) -> Floats:
        """Vertices float64 [V, 3] in the world, in Blender's frame."""
        return self.vertices @ self.to_blender[:3, :3].T + self.to_blender[:3, 3]

    def bounds(self) -> Floats:
        """Lowest and highest corner of its faces in the world, float64 [2, 3]."""
        used = self.world_vertices()[np.unique(self.faces)]
        return np.stack([used.min(axis=0), used.max(axis=0)])

    def placed(self, origin: Floats | None = None) -> MeshData:
        """The mesh in the world as seen from `origin`, float64 [3], equal positions merged, with its UVs and colors;
        what is merged has the mean color.

        The origin is subtracted before anything is rounded to single precision: far from it, shapes would suffer.
        """
        corners = self.turned(self.faces)
        world = self.world_vertices() - (0.0 if origin is None else origin)
        vertices, faces = merged(world, corners)
        colors = None if self.colors is None else self.turned(self.colors)
        if colors is not None:
            colors = _mean_of_corners(colors.reshape(-1, 4), faces.reshape(-1), len(vertices))
        uvs = None if self.uvs is None else self.turned(self.uvs)
        return MeshData(vertices, faces, uvs, colors)

    def turned(self, corners: NDArray) -> NDArray:
        """Corners [F, 3, ...] between the file's order and the world's: a transform that mirrors turns faces round."""
        mirrors = np.linalg.det(self.to_blender[:3, :3]) < 0
        return np.ascontiguousarray(corners[:, ::-1]) if mirrors else corners


@dataclass(frozen=True)
class MeshFile:
    """What a file holds: its meshes in their order there, and what of it was not read, as sentences."""

    nodes: tuple[MeshNode, ...]
    remarks: tuple[str, ...] = ()


def merged(vertices: Floats, faces: Indices) -> tuple[Floats, Indices]:
    """(vertices, faces) without equal and unused vertices, in the order in which they first stood."""
    used, corners = np.unique(faces, return_inverse=True)
    rows = np.ascontiguousarray(vertices[used] + 0.0)  # -0.0 is 0.0
    first, group = trimesh.grouping.unique_rows(rows.view(np.int64))
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return rows[first[order]], place[group][corners].reshape(-1, 3)


def _mean_of_corners(values: Floats, vertex: NDArray[np.integer], count: int) -> Floats:
    """The mean [count, C] of the corners' `values` [3 F, C] at each vertex."""
    sums = np.stack([np.bincount(vertex, column, minlength=count) for column in values.T], axis=1)
    return sums / np.bincount(vertex, minlength=count).clip(min=1)[:, None]
