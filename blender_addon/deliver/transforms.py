# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting objects exactly where another one is."""

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Matrix

from ..delivery_note import Target

_TRANSFORMS = ("rotation_mode", "location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale",
               "delta_location", "delta_rotation_euler", "delta_rotation_quaternion", "delta_scale")


def stand_like(objects: Sequence[bpy.types.Object], old: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    """Put the objects where `old` stands, below the same parent. Its transforms are copied one by one, since a world
    matrix below a parent of uneven scale cannot be set; what a constraint adds is in the world matrix alone."""
    for made in objects:
        made.parent, made.parent_type, made.parent_bone = old.parent, old.parent_type, old.parent_bone
        made.parent_vertices = old.parent_vertices
        made.matrix_parent_inverse = old.matrix_parent_inverse
        for name in _TRANSFORMS:
            setattr(made, name, getattr(old, name))
    view_layer.update()
    for made in objects:
        if not np.allclose(made.matrix_world, old.matrix_world, rtol=1e-5, atol=1e-6):
            made.matrix_world = old.matrix_world


def stand_where(objects: Sequence[bpy.types.Object], target: Target) -> None:
    """Put the objects where the target stood when it was captured."""
    matrix = Matrix(np.reshape(target.matrix, (4, 4)))
    for made in objects:
        if not np.allclose(made.matrix_world, matrix, rtol=1e-5, atol=1e-6):
            made.matrix_world = matrix
