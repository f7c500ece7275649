# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport sees of a mesh, and the mesh as it stands before that view."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from ..backend.contract import BadInput

LARGEST_ANGLE = 75.0
"""Degrees. Faces that are turned away further would be painted too coarsely."""
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class View:
    """A viewport: `matrix` float64 [4, 4] brings the world before the camera (x right, y up, looking along -z),
    `window` [4, 4] into clip space; `perspective` is False for an orthographic one."""

    matrix: np.ndarray
    window: np.ndarray
    perspective: bool

    @classmethod
    def of(cls, context: bpy.types.Context) -> "View":
        """The viewport that the artist works in. Raises BadInput where there is none."""
        seen = context.region_data
        if not isinstance(seen, bpy.types.RegionView3D):
            raise BadInput("There is no view to paint from.", "Only a 3D viewport shows what is to be painted.",
                           "Press the button in the sidebar of a 3D viewport.")
        return cls(np.array(seen.view_matrix, np.float64), np.array(seen.perspective_matrix, np.float64),
                   bool(seen.is_perspective))

    def visible(self, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Which triangles the view shows, bool [F]: their middle inside the frame, before all else, turned toward it.

        `vertices` [V, 3] in the world; triangles `faces` [F, 3] face where they are counter-clockwise.
        """
        corners = vertices.astype(np.float64)[faces]
        middles = corners.mean(axis=1)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        toward = self._towards(middles)
        lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(toward, axis=1)
        facing = (normals * toward).sum(axis=1) > np.cos(np.radians(LARGEST_ANGLE)) * lengths
        shown = facing & (lengths > 0) & self._inside(middles)
        tree = BVHTree.FromPolygons(vertices.tolist(), faces.tolist(), all_triangles=True)
        reach = float(np.linalg.norm(np.ptp(vertices, axis=0)))
        for index in np.flatnonzero(shown):
            way = toward[index] if self.perspective else toward[index] * 2 * reach
            far = float(np.linalg.norm(way))
            start = middles[index] + way / far * _TOLERANCE * reach
            shown[index] = tree.ray_cast(Vector(start), Vector(way), far)[0] is None
        return shown

    def turned(self, vertices: np.ndarray) -> np.ndarray:
        """The world's vertices [V, 3] turned so that the view becomes the one from the front (-Y, Z up)."""
        x, y, z = (vertices.astype(np.float64) @ self.matrix[:3, :3].T).T
        return np.stack([x, -z, y], axis=1).astype(np.float32)

    def _towards(self, points: np.ndarray) -> np.ndarray:
        """From each point to the eye, [N, 3]; of length 1 for an orthographic view."""
        turn = self.matrix[:3, :3]
        if not self.perspective:
            return np.broadcast_to(turn[2] / np.linalg.norm(turn[2]), points.shape)
        eye = -np.linalg.inv(turn) @ self.matrix[:3, 3]
        result: np.ndarray = eye - points
        return result

    def _inside(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie in the frame, bool [N]."""
        clip = points @ self.window[:, :3].T + self.window[:, 3]
        inside: np.ndarray = (np.abs(clip[:, :2]) <= clip[:, 3:]).all(axis=1) & (clip[:, 3] > 0)
        return inside
