# SPDX-License-Identifier: GPL-3.0-or-later
"""Smart UV Project on a copy: the artist's mesh, selection and mode are not touched."""

import math

import bpy
import numpy as np

ISLAND_ANGLE = math.radians(66.0)
"""Blender's own default."""


def smart_uvs(mesh: bpy.types.Mesh, margin: float) -> np.ndarray:
    """New UVs float32 [L, 2], one for each corner of `mesh`, in the unit square without overlaps.

    `margin` is the room between islands as a share of the square. The mesh keeps its layers as they are, and the
    artist's object its mode.
    """
    scene = bpy.data.scenes.new("Meshwright Unwrapping")
    copied = mesh.copy()
    item = bpy.data.objects.new("Meshwright Unwrapping", copied)
    try:
        return _project(scene, item, copied, margin)
    finally:
        bpy.data.objects.remove(item)
        bpy.data.meshes.remove(copied)
        bpy.data.scenes.remove(scene)


def _project(scene: bpy.types.Scene, item: bpy.types.Object, mesh: bpy.types.Mesh, margin: float) -> np.ndarray:
    scene.collection.objects.link(item)
    while mesh.uv_layers:  # a mesh has room for eight; the others move in memory when one goes
        mesh.uv_layers.remove(mesh.uv_layers[0])
    mesh.uv_layers.new(name="UVMap", do_init=False)
    for attribute in (".hide_poly", ".hide_edge", ".hide_vert"):  # what is hidden is not projected
        if attribute in mesh.attributes:
            mesh.attributes.remove(mesh.attributes[attribute])
    mesh.polygons.foreach_set("select", np.ones(len(mesh.polygons), bool))
    view_layer = scene.view_layers[0]
    view_layer.objects.active = item
    item.select_set(True, view_layer=view_layer)
    with bpy.context.temp_override(scene=scene, view_layer=view_layer, object=item, active_object=item,
                                   selected_objects=[item], selected_editable_objects=[item]):
        bpy.ops.object.mode_set(mode="EDIT")
        try:
            with bpy.context.temp_override(edit_object=item, objects_in_mode_unique_data=[item]):
                bpy.ops.mesh.select_all(action="SELECT")
                bpy.ops.uv.smart_project(angle_limit=ISLAND_ANGLE, island_margin=margin, scale_to_bounds=False)
        finally:
            bpy.ops.object.mode_set(mode="OBJECT")
    uvs = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers[0].uv.foreach_get("vector", uvs)
    return uvs.reshape(-1, 2)
