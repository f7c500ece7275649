# SPDX-License-Identifier: GPL-3.0-or-later
"""What the texture tests share: everything of an object that a texture must not touch, and textures to deliver."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import Artifact, JobFolder, Request, Result
from blender_addon.capture import target_of
from blender_addon.delivery_note import DeliveryNote, MaterialPlacement
from blender_addon.materials import variants

BLUE = (0.0, 0.0, 1.0, 1.0)
_VALUES = {"FLOAT": ("value", 1), "INT": ("value", 1), "BOOLEAN": ("value", 1), "FLOAT_VECTOR": ("vector", 3),
           "FLOAT2": ("vector", 2), "FLOAT_COLOR": ("color", 4), "BYTE_COLOR": ("color", 4), "INT8": ("value", 1),
           "INT16_2D": ("value", 2), "INT32_2D": ("value", 2), "QUATERNION": ("value", 4), "FLOAT4X4": ("value", 16)}


@pytest.fixture(autouse=True)
def registered_variants(scene: bpy.types.Scene) -> Iterator[None]:
    """For tests without the installed extension, which has its own: objects can have material variants."""
    if hasattr(bpy.types.Object, variants.VARIANTS):
        yield
        return
    for cls in variants.CLASSES:
        bpy.utils.register_class(cls)
    variants.register()
    yield
    variants.unregister()
    for cls in reversed(variants.CLASSES):
        bpy.utils.unregister_class(cls)


def _read(items: bpy.types.bpy_prop_collection, name: str, width: int) -> bytes:
    values = np.empty(len(items) * width, np.float64)
    items.foreach_get(name, values)
    return values.tobytes()


def mesh_state(mesh: bpy.types.Mesh) -> dict[str, object]:
    """Every array of the mesh, bit for bit, by a name: geometry, all attributes, normals, UVs, keys, weights, slots."""
    found: dict[str, object] = {
        f"attribute {layer.name}": (layer.domain, layer.data_type, _read(layer.data, *_VALUES[layer.data_type]))
        for layer in mesh.attributes}
    found |= {f"uv {layer.name}": _read(layer.uv, "vector", 2) for layer in mesh.uv_layers}
    found |= {f"color {layer.name}": _read(layer.data, "color", 4) for layer in mesh.color_attributes}
    found |= {
        "vertices": _read(mesh.vertices, "co", 3), "vertex normals": _read(mesh.vertex_normals, "vector", 3),
        "edges": _read(mesh.edges, "vertices", 2), "sharp": _read(mesh.edges, "use_edge_sharp", 1),
        "seams": _read(mesh.edges, "use_seam", 1), "loops": _read(mesh.loops, "vertex_index", 1),
        "corner normals": _read(mesh.corner_normals, "vector", 3), "custom normals": mesh.has_custom_normals,
        "polygons": _read(mesh.polygons, "loop_start", 1), "smooth": _read(mesh.polygons, "use_smooth", 1),
        "material": _read(mesh.polygons, "material_index", 1), "face selection": _read(mesh.polygons, "select", 1),
        "vertex selection": _read(mesh.vertices, "select", 1), "hidden": _read(mesh.polygons, "hide", 1),
        "weights": [[(group.group, group.weight) for group in vertex.groups] for vertex in mesh.vertices],
        "materials": [material and material.name for material in mesh.materials],
        "active uv": mesh.uv_layers.active and mesh.uv_layers.active.name,
        "render uv": [layer.name for layer in mesh.uv_layers if layer.active_render],
        "uv order": list(mesh.uv_layers.keys()), "active color": mesh.color_attributes.active_color_name,
        "render color": mesh.color_attributes.render_color_index,
    }
    if mesh.shape_keys:
        found |= {f"key {key.name}": (key.value, key.mute, key.relative_key.name, _read(key.data, "co", 3))
                  for key in mesh.shape_keys.key_blocks}
    return found


def object_state(item: bpy.types.Object) -> dict[str, object]:
    """The object's place, modifiers and what hangs on it; its mesh in Object Mode."""
    return mesh_state(item.data) | {
        "name": item.name, "data": item.data.name, "matrix": tuple(map(tuple, item.matrix_world)),
        "basis": tuple(map(tuple, item.matrix_basis)), "parent": item.parent and item.parent.name,
        "groups": [group.name for group in item.vertex_groups], "active slot": item.active_material_index,
        "modifiers": [(modifier.type, modifier.name, modifier.show_viewport, modifier.show_render,
                       *(getattr(modifier, name).name for name in ("object",) if getattr(modifier, name, None)))
                      for modifier in item.modifiers],
        "selected": item.select_get(), "hidden": (item.hide_get(), item.hide_render), "mode": item.mode,
        "constraints": [constraint.name for constraint in item.constraints], "active key": item.active_shape_key_index,
        "collections": [collection.name for collection in item.users_collection],
    }


def world_state() -> dict[str, object]:
    """What else an artist would find changed: all datablocks' names, what is active and selected."""
    kinds = ("objects", "meshes", "scenes", "collections", "armatures", "actions", "shape_keys", "worlds", "images",
             "materials", "node_groups", "cameras")
    return {kind: sorted(getattr(bpy.data, kind).keys()) for kind in kinds} | {
        "active": bpy.context.view_layer.objects.active and bpy.context.view_layer.objects.active.name,
        "selection": sorted(item.name for item in bpy.context.selected_objects), "mode": bpy.context.mode,
        "scene": bpy.context.scene.name, "frame": bpy.context.scene.frame_current,
    }


def assert_kept(before: dict[str, object], after: dict[str, object], but: Sequence[str] = ()) -> None:
    """Nothing that was there is another, `but` for these names; and no array is missing."""
    changed = [name for name, value in before.items() if name not in but and after.get(name) != value]
    assert not changed, changed


def write_texture(folder: JobFolder, number: int = 1, color: tuple[float, ...] = BLUE, size: int = 8) -> Artifact:
    """A plain texture in the job's outputs."""
    image = bpy.data.images.new("made", size, size, alpha=True)
    image.pixels.foreach_set(np.tile(np.array(color, np.float32), size * size))
    image.filepath_raw, image.file_format = str(folder.outputs / f"texture.{number:03d}.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return Artifact("blue", "image", f"texture.{number:03d}.png", "base_color", f"mesh.{number:03d}.npz")


def finished_texture(path: Path, items: Sequence[bpy.types.Object], paints: Sequence[MaterialPlacement], uvs: Path,
                     seed: int = 1, prompt: str = "", rerolled: str = "", color: tuple[float, ...] = BLUE) -> JobFolder:
    """A whole job folder whose textures wait for their delivery; `uvs` is the folder of the new UV layers."""
    folder = JobFolder.create(path)
    artifacts = [write_texture(folder, number, color) for number in range(1, len(items) + 1)]
    for paint in paints:
        if paint.new_uvs:
            (folder.inputs / paint.new_uvs).write_bytes((uvs / paint.new_uvs).read_bytes())
    inputs = {"mesh": tuple(f"mesh.{number:03d}.npz" for number in range(1, len(items) + 1))}
    folder.write_request(Request(job=path.name, task="texture", pipeline="flexisyncmvd", weights="sd15", subject="blue",
                                 seed=seed, inputs=inputs, parameters={"prompt": prompt}))
    folder.write_result(Result(tuple(artifacts)))
    DeliveryNote(delivery="material", targets=tuple(target_of(item) for item in items), materials=tuple(paints),
                 rerolled=rerolled).write(folder)
    return folder
