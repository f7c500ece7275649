# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays to mesh datablocks, without a Python loop over elements, and the material that shows what they carry."""

import math

import bpy
import numpy as np

from ..backend.contract import JobFolder, MeshData
from ..materials.node_trees import colored_material, texture_material, vertex_color_material
from .arrived_mesh import ArrivedMesh
from .images import packed_maps

SMOOTH_ANGLE = math.radians(30.0)
UV_LAYER, COLOR_LAYER = "UVMap", "Color"


def new_mesh(name: str, data: MeshData, smooth_angle: float = SMOOTH_ANGLE) -> bpy.types.Mesh:
    """A triangle mesh with its UVs and colors; edges sharper than the angle stay sharp."""
    mesh = bpy.data.meshes.new(name)
    fill(mesh, data.vertices, data.faces)
    mesh.shade_smooth()
    mesh.set_sharp_from_angle(angle=smooth_angle)
    if data.uvs is not None:
        mesh.uv_layers.new(name=UV_LAYER, do_init=False).uv.foreach_set("vector", data.uvs.ravel())
    if data.colors is not None:
        colors = mesh.color_attributes.new(COLOR_LAYER, "BYTE_COLOR", "POINT")
        colors.data.foreach_set("color_srgb", data.colors.clip(0.0, 1.0).ravel())
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


def material_of(name: str, arrived: ArrivedMesh, folder: JobFolder) -> bpy.types.Material:
    """What shows the mesh best: its maps, else its vertex colors, else its artifact's color. Raises MeshwrightError for
    a map that cannot be read."""
    if arrived.maps:
        return texture_material(name, packed_maps(folder, arrived.maps, name), UV_LAYER)
    if arrived.mesh.colors is not None:
        return vertex_color_material(name, COLOR_LAYER, tuple(arrived.mesh.colors.mean(axis=0).tolist()))
    return colored_material(name, arrived.artifact.color)

