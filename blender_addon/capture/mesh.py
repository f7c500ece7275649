# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh objects to npz files, without a Python loop over elements."""

from pathlib import Path
from typing import Literal

import bpy
import numpy as np

from ..backend.contract import BadInput, MeshData
from ..delivery_note import MeshSource, Target, reference

Frame = Literal["standing", "world"]
SMALLEST_SIDE = 1e-7
"""Of what an object's matrix makes of a cube, relative to the largest: below that is nothing but rounding."""


def capture_mesh(source: bpy.types.Object, path: Path, which: MeshSource, frame: Frame) -> None:
    """Write the object's triangles as a `MeshData` npz.

    "EVALUATED" is the mesh after modifiers, "BASE" the one before. In the "world" frame the object's matrix is applied
    (meters), in the "standing" frame all of it but the place, so that the mesh is upright and in proportion as it is
    seen; a mirrored matrix turns the faces, so that they keep facing outwards.
    Edits that an object in Edit Mode holds back are part of it. Raises BadInput for an object that has no faces, or to
    which its matrix leaves none.
    """
    _demand_extent(source)
    if source.mode == "EDIT":
        source.update_from_editmode()
    evaluated = source.evaluated_get(bpy.context.evaluated_depsgraph_get()) if which == "EVALUATED" else source
    mesh = evaluated.to_mesh()
    try:
        vertices, faces = triangles(mesh)
    finally:
        evaluated.to_mesh_clear()
    if not len(faces):
        raise BadInput(f"{source.name} has no faces.", "Only a surface can be worked on.", "Select another object.")
    linear = standing(source) if frame == "standing" else np.array(source.matrix_world.to_3x3(), np.float64)
    place = np.array(source.matrix_world.translation) if frame == "world" else 0.0
    vertices = (vertices @ linear.T + place).astype(np.float32)
    faces = faces[:, ::-1] if np.linalg.det(linear) < 0 else faces
    if not np.isfinite(vertices).all():
        raise BadInput(f"{source.name} has invalid vertex positions (NaN or infinite).", "Its shape is undefined.",
                       "Delete these vertices (in Edit Mode box-select the visible ones, invert, delete), or "
                       "fix the modifiers that make them.")
    MeshData(vertices, faces).write(path)


def standing(source: bpy.types.Object) -> np.ndarray:
    """What turns and scales the object, float64 [3, 3]; the identity where that leaves it flat and cannot be undone."""
    linear = np.array(source.matrix_world.to_3x3(), np.float64)
    sides = np.linalg.svd(linear, compute_uv=False)
    return linear if sides[2] > SMALLEST_SIDE * sides[0] else np.eye(3)


def _demand_extent(source: bpy.types.Object) -> None:
    matrix = np.array(source.matrix_world, np.float64)
    if not np.isfinite(matrix).all():
        raise BadInput(f"{source.name} has invalid transforms (NaN or infinite).", "It has no position.",
                       "Clear its location, rotation and scale, or its constraints.")
    sides = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if sides[1] <= SMALLEST_SIDE * sides[0]:
        raise BadInput(f"{source.name} is scaled to zero.", "It is no more than a line or a point.",
                       "Give it a scale other than 0, or select another object.")


def target_of(source: bpy.types.Object) -> Target:
    """The object's reference, world bounds and matrix, for the delivery note."""
    corners = np.array(source.bound_box, np.float64)
    matrix = np.array(source.matrix_world, np.float64)
    placed = corners @ matrix[:3, :3].T + matrix[:3, 3]
    return Target(reference(source), tuple(placed.min(axis=0).tolist()), tuple(placed.max(axis=0).tolist()),
                  tuple(matrix.ravel().tolist()), tuple(standing(source).ravel().tolist()))


def triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(vertices float32 [V, 3], faces int32 [F, 3]) in the mesh's own frame."""
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    return vertices.reshape(-1, 3), faces.reshape(-1, 3)
