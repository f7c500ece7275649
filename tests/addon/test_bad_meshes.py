# SPDX-License-Identifier: GPL-3.0-or-later
"""Selections that are no plain mesh: each its clear words or its right result; nothing changes and nothing is left."""

from collections.abc import Callable
from pathlib import Path

import bmesh
import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.contract import MeshData

from .conftest import Extension
from .test_operators import desk, only_job, refusal

WAIT = 120.0
__all__ = ["desk"]


@pytest.fixture(autouse=True)
def in_process(desk: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend in this process: starting one for each test would take most of the time."""
    monkeypatch.delenv("MESHWRIGHT_PYTHON")
    monkeypatch.setenv("MESHWRIGHT_IN_PROCESS", "1")


def new_object(name: str, vertices: list, faces: list, edges: list | None = None) -> bpy.types.Object:
    """A selected, active mesh object in the scene."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, edges or [], faces)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return select(made)


def select(item: bpy.types.Object) -> bpy.types.Object:
    bpy.context.view_layer.update()
    for other in bpy.context.view_layer.objects:
        other.select_set(other == item)
    bpy.context.view_layer.objects.active = item
    return item


def new_cube(name: str = "Cube") -> bpy.types.Object:
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    return new_object(name, corners, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4),
                                      (1, 5, 7, 3)])


def state() -> dict[str, object]:
    """All objects with their places and meshes, and how many datablocks there are."""
    known: dict[str, object] = {name: len(getattr(bpy.data, name)) for name in (
        "objects", "meshes", "curves", "materials", "collections", "libraries")}
    for item in bpy.data.objects:
        known[f"place of {item.name}"] = np.array(item.matrix_world).tobytes(), item.hide_render, item.mode
        if item.type == "MESH" and item.mode == "OBJECT":
            coordinates = np.empty(3 * len(item.data.vertices), np.float32)
            item.data.vertices.foreach_get("co", coordinates)
            known[f"mesh of {item.name}"] = coordinates.tobytes(), len(item.data.polygons), item.data.name
    return known


def refused(desk: Extension, tmp_path: Path, task: str) -> str:
    """What the operator says; nothing changed and no job came of it."""
    before = state()
    with pytest.raises(RuntimeError) as caught:
        getattr(bpy.ops.meshwright, task)()
    assert state() == before and not list((tmp_path / "jobs").iterdir()) and not desk.module("jobs").jobs()
    return str(caught.value)


def repaired(desk: Extension) -> bpy.types.Object:
    """What Repair Mesh makes of the selection, in the scene."""
    assert bpy.ops.meshwright.silksong_repair_mesh() == {"FINISHED"}
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    return bpy.context.view_layer.objects.active


def captured(desk: Extension) -> tuple[np.ndarray, np.ndarray]:
    """The mesh that Remesh sends to the worker."""
    assert bpy.ops.meshwright.silksong_remesh() == {"FINISHED"}
    job = only_job(desk)
    mesh = MeshData.read(job.folder.inputs / job.request.inputs["mesh"][0])
    return mesh.vertices, mesh.faces


def nothing() -> bpy.types.Object:
    return new_object("Thing", [], [])


def loose_edges() -> bpy.types.Object:
    return new_object("Thing", [(0, 0, 0), (1, 0, 0), (1, 1, 0)], [], [(0, 1), (1, 2)])


def not_a_number() -> bpy.types.Object:
    made = new_cube("Thing")
    made.data.vertices[2].co.y = float("nan")
    return made


def no_scale(*scale: float) -> Callable[[], bpy.types.Object]:
    def make() -> bpy.types.Object:
        made = new_cube("Thing")
        made.scale = scale
        return select(made)
    return make


@pytest.mark.parametrize("task", ["silksong_remesh", "silksong_repair_mesh"])
@pytest.mark.parametrize(("make", "words"), [
    (nothing, "Thing has no faces"), (loose_edges, "Thing has no faces"),
    (not_a_number, "Thing has invalid vertex positions (NaN or infinite)"),
    (no_scale(0, 0, 0), "Thing is scaled to zero"), (no_scale(1, 0, 0), "Thing is scaled to zero"),
    (no_scale(float("nan"), 1, 1), "Thing has invalid transforms"),
], ids=["nothing", "loose edges", "not a number", "a point", "a line", "no scale"])
def test_what_has_no_surface_is_refused_with_words(desk: Extension, tmp_path: Path, task: str,
                                                   make: Callable[[], bpy.types.Object], words: str) -> None:
    make()
    assert words in refused(desk, tmp_path, task)


@pytest.mark.parametrize("task", ["silksong_remesh", "silksong_repair_mesh"])
def test_other_kinds_of_objects(desk: Extension, scene: bpy.types.Scene, task: str) -> None:
    empty, curve = (bpy.data.objects.new(name, data) for name, data in (
        ("Group", None), ("Wire", bpy.data.curves.new("Wire", "CURVE"))))
    for item in (empty, curve):
        scene.collection.objects.link(item)
    select(empty)
    assert "Mesh is missing. Select a mesh object." in refusal(task)
    cube = new_cube()
    cube.parent = empty
    select(empty)
    assert "Mesh is missing. Select the objects below Group" in refusal(task)
    select(curve)
    assert "Convert Wire with Object › Convert › Mesh" in refusal(task)
    cube.select_set(True)
    assert getattr(bpy.ops.meshwright, task).poll(), "among others the mesh is used"


def test_edits_that_are_under_way_are_seen(desk: Extension, scene: bpy.types.Scene) -> None:
    cube = new_cube()
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        edited = bmesh.from_edit_mesh(cube.data)
        edited.verts.ensure_lookup_table()
        edited.verts[0].co.x = -5
        bmesh.ops.delete(edited, geom=[edited.faces[:][0]], context="FACES_ONLY")
        bmesh.update_edit_mesh(cube.data)
        for which in ("EVALUATED", "BASE"):
            scene.meshwright.mesh_source = which
            vertices, faces = captured(desk)
            assert vertices.min() == -5 and len(faces) == 10, which
            desk.module("jobs").cancel(only_job(desk).id)
        assert cube.mode == "EDIT" and bmesh.from_edit_mesh(cube.data).verts[0].co.x == -5
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_one_triangle_zero_area_and_flat_scale(desk: Extension, scene: bpy.types.Scene) -> None:
    triangle = new_object("Thing", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0)], [(0, 1, 2), (0, 1, 3)])
    triangle.matrix_world = Matrix.LocRotScale((1, 2, 3), Matrix.Rotation(0.5, 3, "X"), (2, 2, 0))
    select(triangle)
    before = state()
    made = repaired(desk)
    assert made != triangle and len(made.data.polygons) == 1 and len(made.data.vertices) == 3
    assert np.allclose(made.matrix_world, triangle.matrix_world, atol=1e-6)
    assert state()["mesh of Thing"] == before["mesh of Thing"] and triangle.hide_get()


def test_a_mirrored_object(desk: Extension, scene: bpy.types.Scene) -> None:
    cube = new_cube()
    cube.scale = (-1, 2, 1)
    select(cube)
    made = repaired(desk)
    assert np.allclose(made.matrix_world, cube.matrix_world) and made.scale.x == -1
    assert all(polygon.normal @ polygon.center > 0 for polygon in made.data.polygons), "outward in its own frame"


def test_a_mesh_of_two_users(desk: Extension, scene: bpy.types.Scene) -> None:
    cube = new_cube()
    twin = bpy.data.objects.new("Twin", cube.data)
    scene.collection.objects.link(twin)
    select(cube)
    made = repaired(desk)
    assert cube.data == twin.data and made.data != cube.data and len(cube.data.polygons) == 6
    assert cube.hide_get() and not twin.hide_get(), "only the selected one gives way"


def take_all_over(scene: bpy.types.Scene, item: bpy.types.Object) -> None:
    """Give the object UVs, a material and a vertex group, and ask for them on the result."""
    item.data.uv_layers.new(name="UVMap")
    item.data.materials.append(bpy.data.materials.new("Wood"))
    item.vertex_groups.new(name="all").add(range(len(item.data.vertices)), 1.0, "REPLACE")
    scene.meshwright.keep_uvs = scene.meshwright.keep_weights = True


def test_an_object_in_a_collection_that_was_excluded_meanwhile(desk: Extension, scene: bpy.types.Scene) -> None:
    scans = bpy.data.collections.new("Scans")
    scene.collection.children.link(scans)
    cube = new_cube()
    scene.collection.objects.unlink(cube)
    scans.objects.link(cube)
    select(cube)
    take_all_over(scene, cube)
    assert bpy.ops.meshwright.silksong_repair_mesh() == {"FINISHED"}
    bpy.context.view_layer.layer_collection.children["Scans"].exclude = True
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    made = bpy.context.view_layer.objects.active
    assert made.visible_get() and made.users_collection == (scene.collection,)
    assert cube.hide_render and len(cube.data.polygons) == 6
    assert made.data.uv_layers and made.data.materials[0] == cube.data.materials[0] and made.vertex_groups
    assert any("is linked or excluded" in note for note in job.notes)


def test_a_hidden_collection_keeps_its_result(desk: Extension, scene: bpy.types.Scene) -> None:
    scans = bpy.data.collections.new("Scans")
    scene.collection.children.link(scans)
    cube = new_cube()
    scene.collection.objects.unlink(cube)
    scans.objects.link(cube)
    select(cube)
    assert bpy.ops.meshwright.silksong_repair_mesh() == {"FINISHED"}
    bpy.context.view_layer.layer_collection.children["Scans"].hide_viewport = True
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    assert {item.name for item in scans.objects} == {"Cube", "Cube.repair_mesh"}


@pytest.fixture
def library(desk: Extension, scene: bpy.types.Scene, tmp_path: Path) -> Path:
    """A file with a collection of one cube; an empty one is open."""
    stock = bpy.data.collections.new("Stock")
    scene.collection.children.link(stock)
    cube = new_cube("Crate")
    take_all_over(scene, cube)
    scene.collection.objects.unlink(cube)
    stock.objects.link(cube)
    bpy.data.libraries.write(str(tmp_path / "stock.blend"), {stock})
    bpy.ops.wm.read_homefile(use_empty=True)
    return tmp_path / "stock.blend"


@pytest.mark.parametrize("whole_collection", [True, False])
def test_linked_library_data(desk: Extension, library: Path, whole_collection: bool) -> None:
    scene = bpy.context.scene
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.collections, wanted.objects = (["Stock"], []) if whole_collection else ([], ["Crate"])
    if whole_collection:
        scene.collection.children.link(wanted.collections[0])
    else:
        scene.collection.objects.link(wanted.objects[0])
    crate = select(bpy.data.objects["Crate"])
    scene.meshwright.keep_uvs = scene.meshwright.keep_weights = True
    assert crate.library and crate.select_get()
    made = repaired(desk)
    assert made.library is None and made.data.library is None and made != crate and made.visible_get()
    assert made.users_collection == (scene.collection,) and len(made.data.polygons) == 12
    assert len(crate.data.polygons) == 6 and crate.hide_get()
    assert made.data.uv_layers and made.data.materials[0] == crate.data.materials[0] and made.vertex_groups
