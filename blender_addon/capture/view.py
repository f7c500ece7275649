# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport sees of a mesh, and the mesh as it stands before that view."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from ..backend.contract import BadInput

LARGEST_ANGLE = 89.0
"""Degrees. Of faces that are turned away further not even a line is seen."""
RAYS = 320
"""Rays across the part of the frame that the mesh takes: a face that one of them meets is shown."""
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
        """Which triangles the view shows, bool [F]: turned toward it, and their middle or any other of their points
        inside the frame and before all else.

        `vertices` [V, 3] in the world; triangles `faces` [F, 3] face where they are counter-clockwise.
        """
        corners = vertices.astype(np.float64)[faces]
        middles = corners.mean(axis=1)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        toward = self._towards(middles)
        lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(toward, axis=1)
        facing = (normals * toward).sum(axis=1) > np.cos(np.radians(LARGEST_ANGLE)) * lengths
        facing &= lengths > 0
        tree = BVHTree.FromPolygons(vertices.tolist(), faces.tolist(), all_triangles=True)
        reach = float(np.linalg.norm(np.ptp(vertices, axis=0)))
        shown = np.zeros(len(faces), bool)
        shown[self._met(tree, vertices.astype(np.float64), reach)] = True
        shown &= facing
        for index in np.flatnonzero(facing & ~shown & self._inside(middles)):  # smaller than what lies between two rays
            way = toward[index] if self.perspective else toward[index] * 2 * reach
            far = float(np.linalg.norm(way))
            start = middles[index] + way / far * _TOLERANCE * reach
            shown[index] = tree.ray_cast(Vector(start), Vector(way), far)[0] is None
        return shown

    def _met(self, tree: BVHTree, vertices: np.ndarray, reach: float) -> list[int]:
        """The triangles that rays through the frame meet first."""
        clip = vertices @ self.window[:, :3].T + self.window[:, 3]
        before = clip[clip[:, 3] > 0]
        if not len(before):
            return []
        across = (before[:, :2] / before[:, 3:]).clip(-1.0, 1.0)
        low, high = across.min(axis=0), across.max(axis=0)
        if len(before) < len(clip):  # what reaches behind the eye may be anywhere in the frame
            low, high = np.full(2, -1.0), np.full(2, 1.0)
        steps = (np.arange(RAYS) + 0.5) / RAYS
        places = low + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (high - low)
        starts, ways = self._rays(places, vertices.mean(axis=0), reach)
        hits = (tree.ray_cast(Vector(start), Vector(way))[2] for start, way in zip(starts, ways, strict=True))
        return sorted({index for index in hits if index is not None})

    def _rays(self, places: np.ndarray, middle: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Starts and directions [N, 3] of rays through places [N, 2] of the frame, from before all of the mesh."""
        flat = np.column_stack([places, np.zeros(len(places)), np.ones(len(places))]) @ np.linalg.inv(self.window).T
        points = flat[:, :3] / flat[:, 3:]
        if self.perspective:
            eye = self._towards(np.zeros((1, 3)))[0]
            return np.broadcast_to(eye, points.shape), points - eye
        way = -self._towards(points)
        along = ((points - middle) * way).sum(axis=1, keepdims=True)
        return points - way * (along + 2.0 * reach), way

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
