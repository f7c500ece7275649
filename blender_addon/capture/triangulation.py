# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh datablock as triangles, without a Python loop over elements."""

import bpy
import numpy as np


def triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(vertices float32 [V, 3], faces int32 [F, 3]) in the mesh's own frame."""
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    return vertices.reshape(-1, 3), faces.reshape(-1, 3)
