# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's mesh is sacred: every array before and after capture and delivery, back to the old look, and undo."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import JobFolder
from blender_addon.capture.painted_mesh import NEW_LAYER, capture_painted
from blender_addon.capture.view import View
from blender_addon.deliver import deliver
from blender_addon.materials import variants
from blender_addon.materials.node_trees import remove_material

from .textured import assert_kept, finished_texture, object_state, registered_variants, world_state

__all__ = ["registered_variants"]

SLOTS = ("skin", "cloth", "metal")


def hero(name: str = "hero") -> bpy.types.Object:
    """A posed figure with all that a mesh can carry; rendered by another UV layer than the one that is edited."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=16, ring_count=8, location=(1, 2, 3), rotation=(0.3, 0.2, 0.1))
    item = bpy.context.object
    item.name, item.scale = name, (1, 2, 0.5)
    mesh = item.data
    for slot in SLOTS:
        mesh.materials.append(bpy.data.materials.get(slot) or bpy.data.materials.new(slot))
    count = len(mesh.polygons)
    mesh.polygons.foreach_set("material_index", np.arange(count) * 3 // count)
    mesh.polygons.foreach_set("select", np.arange(count) % 3 == 0)
    mesh.polygons[5].hide = True
    second = mesh.uv_layers.new(name="lightmap")
    second.uv.foreach_set("vector", np.random.default_rng(1).random(len(mesh.loops) * 2).astype(np.float32))
    mesh.uv_layers.active_index, second.active_render = 0, True
    for kind, domain in (("FLOAT_COLOR", "POINT"), ("BYTE_COLOR", "CORNER")):
        layer = mesh.color_attributes.new(f"paint {kind}", kind, domain)
        layer.data.foreach_set("color", np.random.default_rng(2).random(len(layer.data) * 4).astype(np.float32))
    mesh.attributes.new("temperature", "FLOAT", "FACE").data.foreach_set("value", np.arange(count, dtype=np.float32))
    for edge in list(mesh.edges)[:9]:
        edge.use_edge_sharp = edge.use_seam = True
    mesh.normals_split_custom_set([(0.0, 0.6, 0.8)] * len(mesh.loops))
    item.shape_key_add(name="Basis")
    item.shape_key_add(name="tall").data[0].co.z += 1
    mesh.shape_keys.key_blocks["tall"].value = 0.25
    item.active_shape_key_index = 1
    group = item.vertex_groups.new(name="bone")
    for vertex in mesh.vertices:
        group.add([vertex.index], vertex.index / len(mesh.vertices), "REPLACE")
    bones = bpy.data.objects.new(f"{name} bones", bpy.data.armatures.new(f"{name} bones"))
    bpy.context.scene.collection.objects.link(bones)
    item.parent = bones
    item.modifiers.new("Armature", "ARMATURE").object = bones
    item.modifiers.new("Subdivision", "SUBSURF").levels = 1
    item.active_material_index = 1
    twin = bpy.data.objects.new(f"{name} twin", mesh)
    bpy.context.scene.collection.objects.link(twin)
    bpy.context.view_layer.update()
    return item


def painted(items: list[bpy.types.Object], scope: str, choice: str, which: str, tmp_path: Path, number: int = 1,
            view: View | None = None, **more: str) -> Path:
    """Capture and deliver; the job's folder."""
    paints = [capture_painted(item, tmp_path / f"mesh.{index:03d}.npz", which, scope, choice, view)
              for index, item in enumerate(items, 1)]
    folder = finished_texture(tmp_path / f"job-{number}", items, paints, tmp_path, number, **more)
    assert sorted(deliver(folder).objects) == sorted(item.name for item in items)
    return folder.path


@pytest.mark.parametrize("which", ["EVALUATED", "BASE"])
@pytest.mark.parametrize("choice", ["AUTO", "NEW"])
@pytest.mark.parametrize("scope", ["OBJECT", "SLOT", "FACES"])
def test_every_array_is_the_same_bit_for_bit(scope: str, choice: str, which: str, tmp_path: Path) -> None:
    item = hero()
    twin = bpy.data.objects["hero twin"]
    before, others, world = object_state(item), object_state(twin), world_state()
    looks_before = [slot.material.name for slot in item.material_slots]
    paint = capture_painted(item, tmp_path / "mesh.001.npz", which, scope, choice)
    assert object_state(item) == before and world_state() == world, "a capture changes nothing at all"
    assert (paint.uv_layer == NEW_LAYER) == (choice == "NEW"), paint.remark
    painted([item], scope, choice, which, tmp_path)
    assert_kept(before, object_state(item), ("uv order",))
    assert_kept(others, object_state(twin), ("uv order",))
    assert item.data.uv_layers.keys() == ["UVMap", "lightmap", *[NEW_LAYER] * (choice == "NEW")]
    assert [slot.material.name for slot in twin.material_slots] == looks_before
    changed = [slot.material.name != name for slot, name in zip(item.material_slots, looks_before, strict=True)]
    assert changed == [scope != "SLOT" or index == 1 for index in range(3)]
    now = world_state()
    assert {kind for kind in world if now[kind] != world[kind]} == {"images", "materials"}
    variants.show_material_variant(item, 0)
    assert [slot.material.name for slot in item.material_slots] == looks_before
    assert {slot.link for slot in item.material_slots} == {"DATA"}
    assert_kept(before, object_state(item), ("uv order",))


def test_faces_are_selected_in_edit_mode(tmp_path: Path) -> None:
    item = hero()
    item.data.polygons[5].hide = False
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_mode(type="FACE")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.context.object.active_material_index = 2
    bpy.ops.object.material_slot_select()
    world = world_state()
    assert world["mode"] == "EDIT_MESH"
    for choice in ("AUTO", "NEW"):
        for which in ("BASE", "EVALUATED"):
            capture_painted(item, tmp_path / "mesh.001.npz", which, "FACES", choice)
            with np.load(tmp_path / "mesh.001.npz") as data:
                assert 0.2 < data["selection"].mean() < 0.45, "a third of the faces"
                assert len(data["faces"]) == len(data["uvs"]) > 200
            assert world_state() == world
    bpy.ops.object.mode_set(mode="OBJECT")
    assert [polygon.index for polygon in item.data.polygons if polygon.select] == [
        polygon.index for polygon in item.data.polygons if polygon.material_index == 2]


def test_several_objects_at_once_each_with_its_own_texture(tmp_path: Path) -> None:
    items = [hero("left"), hero("right")]
    items[1].data.uv_layers["UVMap"].uv.foreach_set("vector", np.zeros(len(items[1].data.loops) * 2, np.float32))
    twin = bpy.data.objects["left twin"]
    twin.location.x = 9
    bpy.context.view_layer.update()
    items.append(twin)
    states = [object_state(item) for item in items]
    painted(items, "OBJECT", "AUTO", "EVALUATED", tmp_path)
    for item, state in zip(items, states, strict=True):
        assert_kept(state, object_state(item), ("uv order",))
    assert [item.material_slots[0].material.name for item in items] == [
        "left texture", "right texture", "left twin texture"]
    assert items[0].data.uv_layers.keys() == ["UVMap", "lightmap"]
    assert items[1].data.uv_layers.keys() == ["UVMap", "lightmap", NEW_LAYER]
    assert len(bpy.data.images) == 3


def test_a_delivery_is_one_undo_step(tmp_path: Path) -> None:
    before, world = object_state(hero()), world_state()
    bpy.ops.ed.undo_push(message="A hero")
    painted([bpy.data.objects["hero"]], "OBJECT", "NEW", "EVALUATED", tmp_path)
    after = object_state(bpy.data.objects["hero"])
    assert bpy.data.objects["hero"].active_material.name == "hero texture"
    bpy.ops.ed.undo()
    item = bpy.data.objects["hero"]
    assert object_state(item) == before and world_state() == world
    assert not len(variants.material_variants_of(item)) and item.active_material.name == "cloth"
    bpy.ops.ed.redo()
    item = bpy.data.objects["hero"]
    assert object_state(item) == after and item.active_material.name == "hero texture"
    assert [look.name for look in variants.material_variants_of(item)] == ["Before", "blue, seed 1"]


def test_looks_and_textures_are_saved_with_the_file(tmp_path: Path) -> None:
    hero()
    for number in (1, 2):
        folder = painted([bpy.data.objects["hero"]], "OBJECT", "AUTO", "BASE", tmp_path, number,
                         prompt="rusty   iron with\nscratches and a little moss on top")
        (folder / "outputs" / "texture.001.png").unlink()  # packed: the job's folder may go
    variants.show_material_variant(bpy.data.objects["hero"], 1)
    before = object_state(bpy.data.objects["hero"])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    item = bpy.data.objects["hero"]
    assert object_state(item) == before
    assert [look.name for look in variants.material_variants_of(item)] == [
        "Before", "rusty iron with scratches …, seed 1", "rusty iron with scratches …, seed 2"]
    assert variants.shown_material_variant(item) == 1 and item.active_material["meshwright_seed"] == 1
    variants.show_material_variant(item, 2)
    assert item.active_material["meshwright_seed"] == 2
    texture = next(node for node in item.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    assert texture.image.packed_file and tuple(texture.image.pixels)[:4] == (0, 0, 1, 1)
    variants.show_material_variant(item, 0)
    assert item.active_material.name == "cloth"


def test_removed_looks_leave_the_file(tmp_path: Path) -> None:
    hero()
    for number in (1, 2, 3):
        painted([bpy.data.objects["hero"]], "OBJECT", "AUTO", "BASE", tmp_path, number)
    item = bpy.data.objects["hero"]
    for index, shown in ((1, 3), (2, 2)):
        for material in variants.remove_material_variant(item, index):
            remove_material(material)
        assert variants.shown_material_variant(item) == 2 - (index == 2)
        assert item.active_material["meshwright_seed"] == shown
    assert len(bpy.data.images) == 1 and len(bpy.data.materials) == len(SLOTS) + 1
    assert [look.name for look in variants.material_variants_of(item)] == ["Before", "blue, seed 2"]
    for material in variants.remove_material_variant(item, 1):
        remove_material(material)
    assert item.active_material.name == "cloth" and not bpy.data.images and len(bpy.data.materials) == len(SLOTS)


def test_delivered_again_after_a_crash(tmp_path: Path) -> None:
    """Another session finds the object by its name; the UV layer that is there already serves again."""
    hero()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    item = bpy.data.objects["hero"]
    before = object_state(item)
    folder = painted([item], "OBJECT", "NEW", "EVALUATED", tmp_path)
    note = (folder / "delivery.json").read_text()
    session = json.loads(note)["targets"][0]["reference"]["session"]
    (folder / "delivery.json").write_text(note.replace(session, "of another session"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    item = bpy.data.objects["hero"]
    assert item.active_material.name == "cloth"
    for _ in range(2):
        assert deliver(JobFolder(folder)).objects == ("hero",)
    assert item.data.uv_layers.keys() == ["UVMap", "lightmap", NEW_LAYER]
    assert_kept(before, object_state(item), ("uv order",))
    assert len(variants.material_variants_of(item)) == 3

