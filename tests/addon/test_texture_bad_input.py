# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that artists have: each is painted rightly or refused in clear words, and nothing is lost or left behind."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import BadInput
from blender_addon.capture.painted_mesh import NEW_LAYER, painted_mesh
from blender_addon.capture.uv_layout import shared_area, uv_layout
from blender_addon.deliver import deliver
from blender_addon.materials import variants

from .test_texture_keeps import hero, painted
from .textured import assert_kept, finished_texture, object_state, registered_variants, world_state

__all__ = ["registered_variants"]


@pytest.fixture
def crate(scene: bpy.types.Scene) -> bpy.types.Object:
    """A cube with Blender's own UVs and a red material."""
    bpy.ops.mesh.primitive_cube_add()
    item = bpy.context.object
    item.name = item.data.name = "crate"
    item.data.materials.append(bpy.data.materials.new("red"))
    bpy.context.view_layer.update()
    return item


def refused(item: bpy.types.Object, tmp_path: Path, words: str, scope: str = "OBJECT", choice: str = "AUTO",
            which: str = "EVALUATED") -> None:
    """The capture says why and what to do, and changes nothing."""
    before, world = object_state(item), world_state()
    with pytest.raises(BadInput, match=words) as caught:
        painted_mesh(item, which, scope, choice, tmp_path / "uvs.npy")
    assert caught.value.report.why and caught.value.report.advice
    assert object_state(item) == before and world_state() == world and not list(tmp_path.glob("*.np[yz]"))


def linked_crate(crate: bpy.types.Object, tmp_path: Path, what: str) -> bpy.types.ID:
    """The crate, or its mesh, from a library."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        setattr(wanted, what, ["crate"])
    return getattr(wanted, what)[0]


def in_scene(item: bpy.types.Object) -> bpy.types.Object:
    bpy.context.scene.collection.objects.link(item)
    bpy.context.view_layer.update()
    return item


def test_a_linked_object(crate: bpy.types.Object, tmp_path: Path) -> None:
    item = in_scene(linked_crate(crate, tmp_path, "objects"))
    refused(item, tmp_path, "crate is linked from another file and cannot take a texture")


def test_a_linked_mesh_in_an_object_of_this_file(crate: bpy.types.Object, tmp_path: Path) -> None:
    mesh = linked_crate(crate, tmp_path, "meshes")
    item = in_scene(bpy.data.objects.new("my crate", mesh))
    refused(item, tmp_path, "The mesh of my crate is linked .* cannot get a new UV map", choice="NEW")
    before = object_state(item)
    painted([item], "OBJECT", "AUTO", "EVALUATED", tmp_path)
    assert_kept(before, object_state(item))
    assert item.active_material.name == "my crate texture"
    variants.show_material_variant(item, 0)
    assert item.active_material.name == "red" and item.active_material.library


def test_a_linked_mesh_without_slots(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.data.materials.clear()
    mesh = linked_crate(crate, tmp_path, "meshes")
    refused(in_scene(bpy.data.objects.new("my crate", mesh)), tmp_path, "has no material slot")


def test_a_library_override_keeps_its_looks(crate: bpy.types.Object, tmp_path: Path) -> None:
    linked = in_scene(linked_crate(crate, tmp_path, "objects"))
    item = linked.override_create(remap_local_usages=True)
    bpy.context.view_layer.update()
    before = object_state(item)
    painted([item], "OBJECT", "AUTO", "EVALUATED", tmp_path)
    assert_kept(before, object_state(item))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "mine.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "mine.blend"))
    item = bpy.data.objects["crate"]
    assert item.override_library and item.active_material.name == "crate texture"
    assert [look.name for look in variants.material_variants_of(item)] == ["Before", "blue, seed 1"]
    variants.show_material_variant(item, 0)
    assert item.active_material.name == "red"
    variants.show_material_variant(item, 1)
    assert item.active_material.name == "crate texture"


def test_a_mesh_whose_eight_uv_layers_are_taken(crate: bpy.types.Object, tmp_path: Path) -> None:
    for number in range(7):
        crate.data.uv_layers.new(name=f"more {number}")
    crate.data.uv_layers.active_index = 3
    refused(crate, tmp_path, "crate has no room for another UV map.", choice="NEW")
    before = object_state(crate)
    painted([crate], "OBJECT", "AUTO", "EVALUATED", tmp_path)
    assert_kept(before, object_state(crate))
    assert len(crate.data.uv_layers) == 8


def test_the_last_uv_layer_is_taken_meanwhile(crate: bpy.types.Object, tmp_path: Path) -> None:
    _, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "NEW", tmp_path / "mesh.001.uvs.npy")
    for number in range(7):
        crate.data.uv_layers.new(name=f"more {number}")
    before = object_state(crate)
    report = deliver(finished_texture(tmp_path / "job-1", [crate], [paint], tmp_path))
    assert not report.objects and "no room for another UV map. Its texture is saved as image" in report.notes[0]
    assert object_state(crate) == before and bpy.data.images["crate texture"].use_fake_user


@pytest.mark.parametrize(("uvs", "words"), [
    (np.zeros((24, 2)), "100% of the faces have no area in the UV map"),
    (np.full((24, 2), np.nan), "100% of the faces have no area in the UV map"),
    (np.tile([[0, 0], [1, 0], [1, 1], [0, 1]], (6, 1)), "100% of the used UV area is shared"),
    (np.random.default_rng(0).random((24, 2)) + np.array([3, 0]), "100.0% of the faces reach outside the UV square"),
], ids=["one point", "no numbers", "overlapping", "another tile"])
def test_unusable_uvs_get_a_map_beside_them(crate: bpy.types.Object, tmp_path: Path, uvs: np.ndarray,
                                            words: str) -> None:
    crate.data.uv_layers[0].uv.foreach_set("vector", uvs.astype(np.float32).ravel())
    before = object_state(crate)
    captured, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert words in paint.remark and paint.uv_layer == NEW_LAYER
    assert not uv_layout(captured.uvs).faults
    painted([crate], "OBJECT", "AUTO", "EVALUATED", tmp_path)
    assert_kept(before, object_state(crate), ("uv order",))
    again, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert (paint.uv_layer, paint.new_uvs, paint.remark) == (NEW_LAYER, "", ""), "it serves again"
    assert np.array_equal(again.uvs, captured.uvs)


def test_faces_that_are_not_selected_lend_no_uvs(crate: bpy.types.Object, tmp_path: Path) -> None:
    """Mirrored halves share their UVs: paint on one would appear on the other."""
    square = np.array([[0, 0], [0.4, 0], [0.4, 0.4], [0, 0.4]])
    uvs = np.concatenate([square + np.array([number % 2, number // 2]) / 2 for number in (0, 0, 1, 1, 2, 3)])
    crate.data.uv_layers[0].uv.foreach_set("vector", uvs.astype(np.float32).ravel())
    for number, (selected, layer) in enumerate(((0, NEW_LAYER), (4, "UVMap"))):
        for polygon in crate.data.polygons:
            polygon.select = polygon.index == selected
        captured, paint = painted_mesh(crate, "BASE", "FACES", "AUTO", tmp_path / f"uvs{number}.npy")
        assert paint.uv_layer == layer
        assert ("other faces lie on 100%" in paint.remark) == (layer == NEW_LAYER)
        assert shared_area(captured.uvs[captured.selected], captured.uvs[~captured.selected]) < 0.01


@pytest.mark.parametrize("which", ["EVALUATED", "BASE"])
def test_it_is_taken_where_it_stands(scene: bpy.types.Scene, tmp_path: Path, which: str) -> None:
    item = hero()
    item.modifiers["Subdivision"].show_viewport = False
    item.data.shape_keys.key_blocks["tall"].value = 0
    item.parent.location, item.parent.rotation_euler = (5, 6, 7), (0.4, 0, 0)
    item.location.x += 3  # as a script moves it, without an update
    captured, _ = painted_mesh(item, which, "OBJECT", "AUTO", tmp_path / "uvs.npy")
    bpy.context.view_layer.update()
    assert captured.vertices == pytest.approx(
        np.array([item.matrix_world @ vertex.co for vertex in item.data.vertices]), abs=1e-5)


def test_a_mesh_without_faces(crate: bpy.types.Object, tmp_path: Path) -> None:
    mesh = bpy.data.meshes.new("wire")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0)], [(0, 1)], [])
    crate.data = mesh
    refused(crate, tmp_path, "crate has no faces")


def test_modifiers_that_leave_nothing(crate: bpy.types.Object, tmp_path: Path) -> None:
    remesh = crate.modifiers.new("Remesh", "REMESH")
    remesh.voxel_size = 0.3
    refused(crate, tmp_path, "The modifiers of crate leave nothing that can be painted")
    captured, _ = painted_mesh(crate, "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert len(captured.faces) == 12


def test_a_non_manifold_mesh(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Three sheets at one edge, a loose edge, a loose vertex, a face twice and one without area."""
    mesh = bpy.data.meshes.new("rubble")
    mesh.from_pydata([(0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 0, 0), (-1, 1, 1), (-1, 1, 0), (-1, -1, 1), (-1, -1, 0),
                      (5, 5, 5), (6, 6, 6), (7, 7, 7)], [(8, 9)],
                     [(0, 1, 2, 3), (0, 1, 4, 5), (0, 1, 6, 7), (0, 1, 2), (0, 0 + 1, 3), (1, 2, 3)])
    item = in_scene(bpy.data.objects.new("rubble", mesh))
    before = object_state(item)
    captured, paint = painted_mesh(item, "EVALUATED", "OBJECT", "AUTO", tmp_path / "mesh.001.uvs.npy")
    assert len(captured.faces) == 9 and np.isfinite(captured.uvs).all()
    deliver(finished_texture(tmp_path / "job-1", [item], [paint], tmp_path))
    assert_kept(before, object_state(item), ("uv order", "active uv", "render uv", "materials"))


def test_faces_of_slots_that_are_not_there_show_the_last(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.data.materials.append(bpy.data.materials.new("green"))
    crate.data.polygons[0].material_index, crate.active_material_index = 7, 1
    captured, _ = painted_mesh(crate, "BASE", "SLOT", "AUTO", tmp_path / "uvs.npy")
    assert captured.selected.sum() == 2


def test_an_empty_slot_keeps_its_gray_around_the_paint(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.data.materials.clear()
    for polygon in crate.data.polygons:
        polygon.select = polygon.index == 2
    painted([crate], "FACES", "AUTO", "BASE", tmp_path)
    nodes = crate.active_material.node_tree.nodes
    assert sum(node.type == "BSDF_PRINCIPLED" for node in nodes) == 2
    mix = next(node for node in nodes if node.type == "MIX_SHADER")
    assert all(socket.is_linked for socket in mix.inputs)


def test_a_reroll_of_some_faces_lies_on_the_same_ground(crate: bpy.types.Object, tmp_path: Path) -> None:
    for polygon in crate.data.polygons:
        polygon.select = polygon.index == 2
    first = painted([crate], "FACES", "AUTO", "BASE", tmp_path, 1)
    painted([crate], "FACES", "AUTO", "BASE", tmp_path, 2, rerolled=first.name)
    assert sum(node.type == "TEX_IMAGE" for node in crate.active_material.node_tree.nodes) == 1
    painted([crate], "FACES", "AUTO", "BASE", tmp_path, 3)
    assert sum(node.type == "TEX_IMAGE" for node in crate.active_material.node_tree.nodes) == 2, "anew: on top"


@pytest.mark.parametrize("moment", ["deleted", "renamed", "subdivided", "own map gone"])
def test_what_happens_to_the_object_meanwhile(crate: bpy.types.Object, tmp_path: Path, moment: str) -> None:
    choice = "AUTO" if moment == "own map gone" else "NEW"
    _, paint = painted_mesh(crate, "BASE", "OBJECT", choice, tmp_path / "mesh.001.uvs.npy")
    folder = finished_texture(tmp_path / "job-1", [crate], [paint], tmp_path)
    if moment == "deleted":
        bpy.data.objects.remove(crate)
    elif moment == "renamed":
        crate.name = "box"
    elif moment == "subdivided":
        crate.modifiers.new("Subdivision", "SUBSURF")
        bpy.ops.object.modifier_apply(modifier="Subdivision")
    else:
        crate.data.uv_layers.remove(crate.data.uv_layers[0])
    report = deliver(folder)
    if moment == "renamed":
        assert report.objects == ("box",) and crate.active_material.name == "box texture"
        return
    words = {"deleted": "no longer exists", "subdivided": "was edited since", "own map gone": "has no UV map"}
    assert not report.objects and f"crate {words[moment]}" in report.notes[0]
    assert "Its texture is saved as image crate texture" in report.notes[0]
    assert bpy.data.images["crate texture"].packed_file and bpy.data.images["crate texture"].use_fake_user


def test_another_object_goes_on_where_one_has_gone(scene: bpy.types.Scene, tmp_path: Path) -> None:
    items = [hero("left"), hero("right")]
    paints = [painted_mesh(item, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")[1] for item in items]
    folder = finished_texture(tmp_path / "job-1", items, paints, tmp_path)
    bpy.data.objects.remove(items[0])
    report = deliver(folder)
    assert report.objects == ("right",) and "left no longer exists" in report.notes[0]


def test_objects_that_are_gone_are_one_sentence(scene: bpy.types.Scene, tmp_path: Path) -> None:
    items = [hero(name) for name in ("left", "middle", "right")]
    paints = [painted_mesh(item, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")[1] for item in items]
    folder = finished_texture(tmp_path / "job-1", items, paints, tmp_path)
    for item in items:
        bpy.data.objects.remove(item)
    assert deliver(folder).notes == (
        "left, middle and right no longer exist. Their textures are saved as images left texture, middle texture, "
        "right texture.",)
    assert all(bpy.data.images[f"{name} texture"].use_fake_user for name in ("left", "middle", "right"))
