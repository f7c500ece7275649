# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh objects to npz files, without a Python loop over elements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import bpy
import numpy as np

from ..backend.contract import BadInput, MeshData, middle_if_far
from ..delivery_note import MeshSource, Target, reference
from .instances import instanced_meshes
from .state import flush_edits, shape_checksum
from .triangulation import triangles

Frame = Literal["standing", "world"]
SMALLEST_SIDE = 1e-7
"""Of what an object's matrix makes of a cube, relative to the largest: below that is nothing but rounding."""


def capture_mesh(source: bpy.types.Object, path: Path, which: MeshSource, frame: Frame,
                 origin: np.ndarray | None = None) -> None:
    """Write the object's triangles as a `MeshData` npz.

    "EVALUATED" is the mesh after modifiers, with the instances that its geometry nodes make, "BASE" the one before. In
    the "world" frame the object's matrix is applied (meters), in the "standing" frame all of it but the place, so that
    the mesh is upright and in proportion as it is seen; a mirrored matrix turns the faces, so that they keep facing
    outwards. `origin`, float64 [3], is subtracted in that frame, before anything is rounded to single precision.
    Edits that a mode holds back are part of it. Raises BadInput for an object that has no faces, or to which its matrix
    leaves none.
    """
    _demand_extent(source)
    flush_edits()
    evaluated = source.evaluated_get(bpy.context.evaluated_depsgraph_get()) if which == "EVALUATED" else source
    mesh = evaluated.to_mesh()
    try:
        vertices, faces = triangles(mesh)
    finally:
        evaluated.to_mesh_clear()
    linear = standing(source) if frame == "standing" else np.array(source.matrix_world.to_3x3(), np.float64)
    place = np.array(source.matrix_world.translation, np.float64)
    faces = faces[:, ::-1] if np.linalg.det(linear) < 0 else faces
    meshes = [(vertices.astype(np.float64) @ linear.T + (place if frame == "world" else 0.0), faces)]
    if which == "EVALUATED":
        away = 0.0 if frame == "world" else place
        meshes += [(real - away, corners) for real, corners in instanced_meshes(source)]
    vertices, faces = _joined(meshes)
    if not len(faces):
        raise BadInput(f"{source.name} has no faces.", "Only a surface can be worked on.", "Select another object.")
    if not np.isfinite(vertices).all():
        raise BadInput(f"{source.name} has invalid vertex positions (NaN or infinite).", "Its shape is undefined.",
                       "Delete these vertices (in Edit Mode box-select the visible ones, invert, delete), or "
                       "fix the modifiers that make them.")
    MeshData(vertices - (0.0 if origin is None else origin), faces).write(path)


def far_origin(sources: Sequence[bpy.types.Object], frame: Frame) -> np.ndarray:
    """What is subtracted from the objects' vertices in that frame, float64 [3]: their middle if they are far from its
    origin, else 0.
    """
    corners = []
    for source in sources:
        matrix = np.array(source.matrix_world, np.float64)
        if not np.isfinite(matrix).all():
            return np.zeros(3)  # refused when it is captured
        linear = standing(source) if frame == "standing" else matrix[:3, :3]
        corners.append(np.array(source.bound_box, np.float64) @ linear.T + (matrix[:3, 3] if frame == "world" else 0.0))
    return middle_if_far(np.concatenate(corners))


def _joined(meshes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """All meshes, (vertices [V, 3], faces [F, 3]) each, as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes)])
    return (np.concatenate([vertices for vertices, _ in meshes]),
            np.concatenate([faces + start for (_, faces), start in zip(meshes, starts, strict=False)]))


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


def target_of(source: bpy.types.Object, origin: np.ndarray | None = None) -> Target:
    """The object's reference, world bounds, matrix and shape, for the delivery note; `origin` as it was captured with.
    """
    corners = np.array(source.bound_box, np.float64)
    matrix = np.array(source.matrix_world, np.float64)
    placed = corners @ matrix[:3, :3].T + matrix[:3, 3]
    return Target(reference(source), tuple(placed.min(axis=0).tolist()), tuple(placed.max(axis=0).tolist()),
                  tuple(matrix.ravel().tolist()), tuple(standing(source).ravel().tolist()),
                  (0.0, 0.0, 0.0) if origin is None else tuple(origin.tolist()),
                  shape_checksum(source.data) if source.type == "MESH" else 0)
