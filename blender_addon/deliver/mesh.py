# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays to mesh datablocks, without a Python loop over elements."""

import math

import bpy
import numpy as np

SMOOTH_ANGLE = math.radians(30.0)


def new_mesh(name: str, vertices: np.ndarray, faces: np.ndarray, smooth_angle: float = SMOOTH_ANGLE) -> bpy.types.Mesh:
    """A triangle mesh of vertices float32 [V, 3] and faces int32 [F, 3]; edges sharper than the angle stay sharp."""
    mesh = bpy.data.meshes.new(name)
    fill(mesh, vertices, faces)
    mesh.shade_smooth()
    mesh.set_sharp_from_angle(angle=smooth_angle)
    return mesh


def fill(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Give an empty mesh its vertices float32 [V, 3] and faces int32 [F, 3].

    The indices are trusted: `read_checked` has looked at them where they came in.
    """
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)


def bounds(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner, float64 [3] each, of points [V, 3]."""
    return vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
