# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new mesh takes over from the one in whose place it stands, by nearness, in the frame that both share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ..delivery_note import MeshSource, Transfer

_DENSE = 1.5
"""A mesh with at most this many times the source's vertices finds corners near its own."""


def transfer_data(old: bpy.types.Object, objects: Sequence[bpy.types.Object], wanted: Transfer,
                  scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> None:
    """Give the objects what is wanted of `old`, which does not change. Nothing is taken from one without faces."""
    with _source(old, wanted.source, scene, view_layer) as source:
        if not len(source.data.polygons):
            return
        if wanted.materials:
            _transfer_materials(source, _materials(old, source.data), objects, view_layer)
        if wanted.uvs and source.data.uv_layers:
            _transfer_layers("UV", source, objects, scene, view_layer)
        if wanted.weights and old.vertex_groups:
            _transfer_layers("VGROUP_WEIGHTS", source, objects, scene, view_layer)


@contextmanager
def _source(old: bpy.types.Object, which: MeshSource, scene: bpy.types.Scene,
            view_layer: bpy.types.ViewLayer) -> Iterator[bpy.types.Object]:
    """An object with the captured form of the mesh and no modifiers, in the scene meanwhile.

    Hidden objects need not be evaluated, so `old` is shown; who delivers hides it afterward.
    """
    mesh = old.data
    if which == "EVALUATED":
        if old.name in view_layer.objects:
            old.hide_set(False, view_layer=view_layer)
        view_layer.update()
        depsgraph = view_layer.depsgraph
        mesh = bpy.data.meshes.new_from_object(old.evaluated_get(depsgraph), preserve_all_data_layers=True,
                                               depsgraph=depsgraph)
    source = bpy.data.objects.new(old.name, mesh)
    scene.collection.objects.link(source)
    view_layer.update()
    try:
        yield source
    finally:
        bpy.data.objects.remove(source)
        if mesh != old.data:
            bpy.data.meshes.remove(mesh)


def _materials(old: bpy.types.Object, mesh: bpy.types.Mesh) -> list[bpy.types.Material | None]:
    """What each material index of the mesh shows: slots may overrule it, modifiers may add to it."""
    shown = list(mesh.materials)
    for index, slot in enumerate(old.material_slots):
        if slot.link == "OBJECT" and index < len(shown):
            shown[index] = slot.material
    return shown


def _transfer_materials(source: bpy.types.Object, materials: Sequence[bpy.types.Material | None],
                        objects: Sequence[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> None:
    """The materials, and for each face the index of the source's nearest face."""
    indices = np.empty(len(source.data.polygons), np.int32)
    source.data.polygons.foreach_get("material_index", indices)
    tree = BVHTree.FromObject(source, view_layer.depsgraph) if indices.any() else None
    for made in objects:
        for material in materials:
            made.data.materials.append(material)
        if tree is not None:
            nearest = [tree.find_nearest(polygon.center)[2] for polygon in made.data.polygons]
            made.data.polygons.foreach_set("material_index", indices[nearest])


def _transfer_layers(kind: str, source: bpy.types.Object, objects: Sequence[bpy.types.Object],
                     scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> None:
    """Blender's own data transfer of all layers of one kind, from the nearest points of faces.

    Corners take theirs from the nearest corner whose face looks the same way, which keeps to one side of a seam, where
    the source has corners enough; else from the nearest point of a face too.
    """
    windows = bpy.context.window_manager.windows
    for made in objects:
        dense = _DENSE * len(source.data.vertices) >= len(made.data.vertices)
        with bpy.context.temp_override(
            window=bpy.context.window or (windows[0] if windows else None), scene=scene, view_layer=view_layer,
            active_object=source, object=source, selected_objects=[source, made],
            selected_editable_objects=[source, made],
        ):
            # At Blender's default precision large meshes take several times as long, for the same UVs.
            bpy.ops.object.data_transfer(
                data_type=kind, use_create=True, use_object_transform=False, vert_mapping="POLYINTERP_NEAREST",
                loop_mapping="NEAREST_POLYNOR" if dense else "POLYINTERP_NEAREST", islands_precision=0.0,
                layers_select_src="ALL", layers_select_dst="NAME", mix_mode="REPLACE")
