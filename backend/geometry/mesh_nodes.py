# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as its file holds it, and as `MeshData` in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from ..contract import MeshData
from .srgb import linear_to_srgb


@dataclass(frozen=True)
class MeshNode:
    """One node of a file's scene.

    Attributes:
        name: of the node.
        mesh: nothing of it is changed.
        to_blender: the matrix [4, 4] that takes it to the world in Blender's frame.
        linear_colors: whether the file's vertex colors are linear, as in glTF, and not sRGB.
    """

    name: str
    mesh: trimesh.Trimesh
    to_blender: NDArray[np.float64]
    linear_colors: bool = False

    def placed(self) -> MeshData:
        """The mesh in the world, equal positions merged, with its UVs and colors; what is merged has the mean color."""
        corners = self.turned(np.asarray(self.mesh.faces))
        placed = trimesh.Trimesh(trimesh.transform_points(self.mesh.vertices, self.to_blender), corners, process=False)
        placed.merge_vertices()
        colors = self.colors()
        if colors is not None:
            colors = _mean_of_corners(colors[corners].reshape(-1, 4), placed.faces.reshape(-1), len(placed.vertices))
        return MeshData(placed.vertices, placed.faces, self.uvs(), colors)

    def turned(self, corners: NDArray) -> NDArray:
        """Corners [F, 3, ...] between the file's order and the world's: a transform that mirrors turns faces round."""
        mirrors = np.linalg.det(self.to_blender[:3, :3]) < 0
        return np.ascontiguousarray(corners[:, ::-1]) if mirrors else corners

    def uvs(self) -> NDArray[np.float32] | None:
        """The corners' UVs in the order of the placed faces, [F, 3, 2]; None where the file has none."""
        known = getattr(self.mesh.visual, "uv", None)
        if known is None or len(known) != len(self.mesh.vertices):
            return None
        return np.ascontiguousarray(self.turned(np.asarray(known, np.float32)[self.mesh.faces]))

    def colors(self) -> NDArray[np.float64] | None:
        """The vertices' colors, sRGB and alpha in [0, 1], [V, 4]; None where the file has none."""
        visual = self.mesh.visual
        attributes = getattr(visual, "vertex_attributes", {})
        known = np.asarray(visual.vertex_colors if visual.kind == "vertex" else attributes.get("color", ()))
        if known.shape not in ((len(self.mesh.vertices), 3), (len(self.mesh.vertices), 4)):
            return None
        whole = np.iinfo(known.dtype).max if np.issubdtype(known.dtype, np.integer) else 1.0
        rgb, alpha = known[:, :3] / whole, known[:, 3:] / whole if known.shape[1] == 4 else np.ones((len(known), 1))
        return np.column_stack([linear_to_srgb(rgb) if self.linear_colors else rgb, alpha])


def _mean_of_corners(values: NDArray[np.float64], vertex: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """The mean [count, C] of the corners' `values` [3 F, C] at each vertex."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, vertex, values)
    return sums / np.bincount(vertex, minlength=count).clip(min=1)[:, None]
