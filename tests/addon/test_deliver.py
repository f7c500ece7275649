# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished jobs become objects: tree, names, places, colors, the Explode slider, recipes, one undo step."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from .conftest import Extension
from .synthetic_jobs import COLORS, SEED, STOOL, finished_job

CURSOR = (1.0, 2.0, 3.0)


def world_vertices(item: bpy.types.Object) -> np.ndarray:
    """Where the object's vertices are now, [V, 3], drivers included."""
    bpy.context.view_layer.update()
    matrix = np.array(item.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    values = np.empty(len(item.data.vertices) * 3, np.float32)
    item.data.vertices.foreach_get("co", values)
    return values.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def all_vertices(root: bpy.types.Object) -> np.ndarray:
    """The same of all children together."""
    return np.concatenate([world_vertices(part) for part in root.children])


def cube(name: str, low: tuple[float, float, float], high: tuple[float, float, float]) -> bpy.types.Object:
    """A box object in the scene whose mesh is the unit cube."""
    mesh = bpy.data.meshes.new(name)
    corners = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    item.location = (Vector(low) + Vector(high)) / 2
    item.scale = Vector(high) - Vector(low)
    bpy.context.view_layer.update()
    return item


@pytest.fixture
def stool(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> bpy.types.Object:
    """The stool's empty, delivered at the cursor with a size of 2 m."""
    folder = finished_job(tmp_path / "job-1", note={"delivery": "parts", "cursor": CURSOR, "size": 2.0,
                                                    "image": "stool.png"})
    report = extension.module("deliver").deliver(folder)
    assert report.notes == ("a remark",) and report.message == "Meshwright: 3 parts"
    return bpy.data.objects[report.objects[0]]


def test_parts_are_a_tree_of_named_objects(stool: bpy.types.Object) -> None:
    collection = bpy.data.collections["Meshwright · stool"]
    assert stool.type == "EMPTY" and stool.name == "stool"
    assert [part.name for part in stool.children] == ["stool.part.01", "stool.part.02", "stool.part.03"]
    assert set(collection.objects) == {stool, *stool.children}
    assert collection.name in bpy.context.scene.collection.children
    assert set(bpy.context.selected_objects) == {stool, *stool.children}
    assert bpy.context.view_layer.objects.active == stool


def test_parts_stand_on_the_cursor_at_their_size(stool: bpy.types.Object) -> None:
    points = all_vertices(stool)
    low, high = points.min(axis=0), points.max(axis=0)
    assert (high - low).max() == pytest.approx(2.0)
    assert ((low + high) / 2)[:2] == pytest.approx(CURSOR[:2], abs=1e-5)
    assert low[2] == pytest.approx(CURSOR[2], abs=1e-5)
    for part, (corner, opposite) in zip(stool.children, STOOL, strict=True):
        extent = (np.array(opposite) - np.array(corner)) * 2.0 / 1.6
        assert np.array(part.dimensions) == pytest.approx(extent, abs=1e-5)
        assert tuple(part.scale) == (1.0, 1.0, 1.0)
        assert np.array(part.bound_box).mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6), "origin amid its bounds"


def test_materials_have_the_palette_in_linear_light(stool: bpy.types.Object) -> None:
    for part, color in zip(stool.children, COLORS, strict=True):
        shader = next(node for node in part.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        shown = np.array(shader.inputs["Base Color"].default_value)
        assert np.where(shown <= 0.0031308, shown * 12.92, 1.055 * shown ** (1 / 2.4) - 0.055)[:3] == pytest.approx(
            color, abs=1e-5)
    assert len({part.active_material.name for part in stool.children}) == 3


def test_smooth_by_angle(stool: bpy.types.Object) -> None:
    mesh = stool.children[0].data
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    sharp = sum(edge.use_edge_sharp for edge in mesh.edges)
    assert sharp == 12, "the box's own edges are sharp, the diagonals of its sides are not"
    assert not stool.children[0].modifiers


def test_the_slider_moves_parts_apart_and_back(stool: bpy.types.Object) -> None:
    rest = {part.name: world_vertices(part) for part in stool.children}
    places = {part.name: tuple(part.location) for part in stool.children}
    stool["explode"] = 1.0
    stool.update_tag()
    moved = {name: world_vertices(bpy.data.objects[name]) - rest[name] for name in rest}
    assert moved["stool.part.02"][0, 0] < -0.5 < 0.5 < moved["stool.part.03"][0, 0]
    assert moved["stool.part.01"][0, 2] > 0.5 and moved["stool.part.02"][0, 2] == pytest.approx(0.0, abs=1e-5)
    assert all_vertices(stool)[:, 2].min() == pytest.approx(CURSOR[2], abs=1e-5), "nothing sinks into the ground"
    assert places == {part.name: tuple(part.location) for part in stool.children}, "the rest position stays"
    stool["explode"] = 0.0
    stool.update_tag()
    assert all(world_vertices(bpy.data.objects[name]) == pytest.approx(rest[name], abs=1e-6) for name in rest)
    limits = stool.id_properties_ui("explode").as_dict()
    assert (limits["min"], limits["max"]) == (0.0, 2.0)


def test_the_slider_needs_neither_scripts_nor_the_addon(stool: bpy.types.Object, tmp_path: Path) -> None:
    drivers = [curve.driver for part in stool.children for curve in part.animation_data.drivers]
    assert drivers and all(driver.is_simple_expression for driver in drivers)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "stool.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "stool.blend"), use_scripts=False)
    assert not bpy.app.autoexec_fail, "Blender found nothing that it would have to run"
    loaded = bpy.data.objects["stool"]
    before = world_vertices(loaded.children[2])
    loaded["explode"] = 2.0
    loaded.update_tag()
    assert world_vertices(loaded.children[2])[0, 0] - before[0, 0] > 1.0


def test_one_undo_step(stool: bpy.types.Object) -> None:
    bpy.ops.ed.undo()
    assert not bpy.data.objects and "Meshwright · stool" not in bpy.data.collections
    bpy.ops.ed.redo()
    assert len(bpy.data.objects["stool"].children) == 3


def test_the_recipe_is_on_every_object(stool: bpy.types.Object) -> None:
    for item in (stool, *stool.children):
        assert item["meshwright_pipeline"] == "partpacker" and item["meshwright_weights"] == "starter"
        assert item["meshwright_seed"] == SEED and item["meshwright_image"] == "stool.png"
        assert json.loads(item["meshwright_parameters"]) == {"steps": 24}
        assert item["meshwright_license"] == "GPL-3.0-or-later" and item["meshwright_commercial_use"]
        assert item["meshwright_version"] and item["meshwright_blender"] == bpy.app.version_string


def test_fitted_into_the_targets_bounds(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    target = cube("block", (4.0, 4.0, 1.0), (5.0, 9.0, 1.5))
    low, high = (4.0, 4.0, 1.0), (5.0, 9.0, 1.5)
    note = note_on(extension, "parts", target) | {"fit": True}
    report = extension.module("deliver").deliver(finished_job(tmp_path / "job-1", note=note))
    points = all_vertices(bpy.data.objects[report.objects[0]])
    assert (points.min(axis=0) >= np.array(low) - 1e-4).all() and (points.max(axis=0) <= np.array(high) + 1e-4).all()
    assert np.ptp(points, axis=0)[2] == pytest.approx(0.5, abs=1e-4), "the tightest side is filled"
    assert points[:, 2].min() == pytest.approx(1.0, abs=1e-5)


def test_names_stay_apart_and_within_63_bytes(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    subject = "стул " * 20
    names = []
    for number in (1, 2, 3):
        report = extension.module("deliver").deliver(finished_job(tmp_path / f"job-{number}", subject=subject))
        names += report.objects
    assert len(set(names)) == len(names) == 12
    assert all(len(name.encode()) <= 63 for name in names)
    assert sum(name.endswith(".part.01") for name in names) == 3, "Blender renamed no part"


def note_on(extension: Extension, delivery: str, *targets: bpy.types.Object) -> dict[str, object]:
    """The note that capture would write for these targets."""
    target_of = extension.module("capture").target_of
    to_json = extension.module("backend.contract.json_form").to_json
    return {"delivery": delivery, "targets": [to_json(target_of(item)) for item in targets]}


def test_reconstruct_takes_the_place_of_the_old_object(extension: Extension, scene: bpy.types.Scene,
                                                       tmp_path: Path) -> None:
    old, parent = cube("vase", (0, 0, 0), (1, 1, 1)), cube("table", (0, 0, 0), (1, 1, 1))
    home = bpy.data.collections.new("Kitchen")
    scene.collection.children.link(home)
    home.objects.link(old)
    scene.collection.objects.unlink(old)
    old.data.materials.append(bpy.data.materials.new("Glaze"))
    parent.matrix_world = Matrix.Translation((5, 0, 0)) @ Matrix.Rotation(0.7, 4, "Z")
    old.parent = parent
    bpy.context.view_layer.update()
    before = old.matrix_world.copy()
    folder = finished_job(tmp_path / "job-1", "reconstruct", "vase", [((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))],
                          note_on(extension, "replace", old))
    report = extension.module("deliver").deliver(folder)
    new = bpy.data.objects[report.objects[0]]
    assert np.array(new.matrix_world) == pytest.approx(np.array(before), abs=1e-5)
    assert new.parent == parent and list(new.users_collection) == [home]
    assert [slot.name for slot in new.material_slots] == ["Glaze"]
    assert old.name in bpy.data.objects and old.hide_get() and old.hide_render and not new.hide_render
    assert bpy.context.view_layer.objects.active == new and bpy.context.selected_objects == [new]


def test_a_rebuilt_part_follows_the_explode_slider(extension: Extension, scene: bpy.types.Scene,
                                                   tmp_path: Path) -> None:
    deliver = extension.module("deliver").deliver
    root = bpy.data.objects[deliver(finished_job(tmp_path / "job-1")).objects[0]]
    part, rest = root.children[1], root.children[1].location.copy()
    root["explode"] = 1.0
    root.update_tag()
    bpy.context.view_layer.update()
    folder = finished_job(tmp_path / "job-2", "reconstruct", "leg", STOOL[1:2], note_on(extension, "replace", part))
    new = bpy.data.objects[deliver(folder).objects[0]]
    for slider in (1.0, 0.3, 0.0):
        root["explode"] = slider
        root.update_tag()
        bpy.context.view_layer.update()
        assert np.array(new.matrix_world) == pytest.approx(np.array(part.matrix_world), abs=1e-5)
    assert new.location == rest


def test_a_target_that_has_gone_gives_a_new_object_and_a_remark(extension: Extension, scene: bpy.types.Scene,
                                                                tmp_path: Path) -> None:
    old = cube("vase", (1, 1, 1), (3, 3, 3))
    before = np.array(old.matrix_world)
    note = note_on(extension, "replace", old)
    bpy.data.objects.remove(old)
    cube("vase", (7, 7, 7), (8, 8, 8))  # another object that has taken the name
    folder = finished_job(tmp_path / "job-1", "reconstruct", "vase", STOOL[:1], note)
    report = extension.module("deliver").deliver(folder)
    assert any("vase no longer exists" in remark for remark in report.notes)
    assert np.array(bpy.data.objects[report.objects[0]].matrix_world) == pytest.approx(before)
    assert not bpy.data.objects["vase"].hide_get(), "a stranger of the same name is left alone"


def test_split_parts_makes_two_collections_in_one(extension: Extension, scene: bpy.types.Scene,
                                                  tmp_path: Path) -> None:
    source = cube("stool", (-0.8, -0.4, -0.6), (0.8, 0.4, 0.6))
    folder = finished_job(tmp_path / "job-1", "split_parts", "stool", STOOL, note_on(extension, "groups", source))
    report = extension.module("deliver").deliver(folder)
    outer = bpy.data.collections["Meshwright · stool-2"]
    assert sorted(len(inner.objects) for inner in outer.children) == [1, 2]
    points = [world_vertices(bpy.data.objects[name]) for name in report.objects[1:]]
    for found, (low, high) in zip(points, STOOL, strict=True):
        assert found.min(axis=0) == pytest.approx(low, abs=1e-5) and found.max(axis=0) == pytest.approx(high, abs=1e-5)
    assert source.hide_get() and source.hide_render


def test_a_scene_that_has_gone_is_told(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    other = bpy.data.scenes.new("Elsewhere")
    note = {"scene": {"name": other.name, "uid": other.session_uid}}
    folder = finished_job(tmp_path / "job-1", note=note)
    report = extension.module("deliver").deliver(folder)
    assert bpy.data.objects[report.objects[0]].users_scene == (other,) and len(report.notes) == 1
    bpy.data.scenes.remove(other)
    report = extension.module("deliver").deliver(folder)
    assert bpy.data.objects[report.objects[0]].users_scene == (scene,)
    assert "Elsewhere no longer exists" in report.notes[1]


def test_damaged_results_give_words_and_leave_the_scene(extension: Extension, scene: bpy.types.Scene,
                                                        tmp_path: Path) -> None:
    error = extension.module("backend.contract").MeshwrightError
    deliver = extension.module("deliver").deliver
    folder = finished_job(tmp_path / "job-1")
    np.savez(folder.outputs / "part.01.npz", vertices=np.zeros((3, 3), np.float32),
             faces=np.array([[0, 1, 9]], np.int32))
    with pytest.raises(error, match="is damaged"):
        deliver(folder)
    (folder.outputs / "part.01.npz").write_bytes(b"cut off")
    with pytest.raises(error, match="cannot be read"):
        deliver(folder)
    (folder.path / "result.json").unlink()
    with pytest.raises(error, match="has no result"):
        deliver(folder)
    assert not bpy.data.objects and not bpy.data.meshes


def test_delivery_waits_for_object_mode(extension: Extension, scene: bpy.types.Scene) -> None:
    blocked = extension.module("deliver").blocked
    item = cube("block", (0, 0, 0), (1, 1, 1))
    bpy.context.view_layer.objects.active = item
    assert blocked() == ""
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Object Mode" in blocked()
    bpy.ops.object.mode_set(mode="OBJECT")
