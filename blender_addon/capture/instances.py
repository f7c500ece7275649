# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that an object's geometry nodes make: seen as part of it, and no part of its mesh."""

from collections.abc import Iterator

import bpy
import numpy as np

from ..backend.contract import BadInput
from .triangulation import triangles

MOST_FACES = 20_000_000
"""Of all instances together, which become one mesh."""


def instanced_meshes(source: bpy.types.Object) -> list[tuple[np.ndarray, np.ndarray]]:
    """(vertices float64 [V, 3] in the world, faces int32 [F, 3]) of each instance that the object's nodes make.

    Raises BadInput where these are too many to become real.
    """
    found, faces = [], 0
    for vertices, corners in _instances(source):
        faces += len(corners)
        if faces > MOST_FACES:
            raise BadInput(f"The instances of {source.name} have more than {MOST_FACES:,} faces.",
                           "They become one mesh.", "Choose Without Modifiers, or make fewer instances.")
        found.append((vertices, corners))
    return found


def has_instances(source: bpy.types.Object) -> bool:
    """Whether the object's nodes make any."""
    return next(_instances(source), None) is not None


def _instances(source: bpy.types.Object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # Instances on vertices and faces are objects of their own, which can be selected.
    if source.instance_type != "NONE" or not any(modifier.type == "NODES" for modifier in source.modifiers):
        return
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        parent, mesh = instance.parent, instance.object.data
        if not instance.is_instance or parent is None or parent.original != source or instance.particle_system:
            continue
        if isinstance(mesh, bpy.types.Mesh) and len(mesh.polygons):
            vertices, faces = triangles(mesh)
            matrix = np.array(instance.matrix_world, np.float64)
            turn = -1 if np.linalg.det(matrix[:3, :3]) < 0 else 1
            yield vertices @ matrix[:3, :3].T + matrix[:3, 3], faces[:, ::turn]
