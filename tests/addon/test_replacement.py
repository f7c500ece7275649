# SPDX-License-Identifier: GPL-3.0-or-later
"""Remesh's result takes the original's place: where it stands, what it is called, what it takes over, its variants."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.contract import Artifact, JobFolder, MeshData, Request, Result

from .conftest import Extension
from .test_artists_day import select
from .test_deliver import cube, note_on, world_vertices


def woven_job(path: Path, note: dict[str, Any], meshes: Sequence[tuple[np.ndarray, np.ndarray]],
              subject: str = "vase") -> JobFolder:
    """A finished remesh whose variants are these meshes."""
    folder, artifacts = JobFolder.create(path), []
    folder.write_request(Request(path.name, "remesh", "silksong", "published", subject, 7))
    for number, (vertices, faces) in enumerate(meshes, 1):
        MeshData(vertices, faces).write(folder.outputs / f"{number}.npz")
        artifacts.append(Artifact(f"{subject}.v{number}", "mesh", f"{number}.npz", "mesh", group="variant",
                                  properties={"faces": len(faces)}))
    folder.write_result(Result(tuple(artifacts)))
    folder.write_note("delivery.json", note)
    return folder


def triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(vertices [V, 3], faces [F, 3])."""
    mesh.calc_loop_triangles()
    return (np.array([vertex.co for vertex in mesh.vertices], np.float32),
            np.array([triangle.vertices for triangle in mesh.loop_triangles], np.int32))


def state_of(item: bpy.types.Object) -> dict[str, object]:
    """Everything of an object that a remesh must leave as it is."""
    mesh = item.data
    return {
        "geometry": [array.tobytes() for array in triangles(mesh)], "matrix": [*np.ravel(item.matrix_basis)],
        "uvs": [[tuple(entry.uv) for entry in layer.data] for layer in mesh.uv_layers],
        "materials": [(slot.link, slot.material) for slot in item.material_slots], "data": mesh.name,
        "indices": [polygon.material_index for polygon in mesh.polygons], "keys": sorted(item.keys()),
        "groups": [[(group.group, group.weight) for group in vertex.groups] for vertex in mesh.vertices],
        "names": [group.name for group in item.vertex_groups], "modifiers": [known.name for known in item.modifiers],
        "homes": list(item.users_collection), "parent": item.parent, "children": list(item.children),
    }


@pytest.fixture
def ball(extension: Extension, scene: bpy.types.Scene) -> bpy.types.Object:
    """A dense sphere: UVs, two materials by side, a vertex group by height."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24)
    made = bpy.context.object
    made.name = made.data.name = "vase"
    for name in ("left", "right"):
        made.data.materials.append(bpy.data.materials.new(name))
    for polygon in made.data.polygons:
        polygon.material_index = int(polygon.center.x > 0)
    group = made.vertex_groups.new(name="top")
    for vertex in made.data.vertices:
        group.add([vertex.index], max(0.0, vertex.co.z), "REPLACE")
    bpy.ops.ed.undo_push(message="A vase")
    return made


@pytest.fixture
def low_ball(scene: bpy.types.Scene) -> tuple[np.ndarray, np.ndarray]:
    """The same sphere with 80 faces."""
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2, calc_uvs=False)
    made = bpy.context.object
    arrays = triangles(made.data)
    mesh = made.data
    bpy.data.objects.remove(made)
    bpy.data.meshes.remove(mesh)
    return arrays


def facing_outwards(item: bpy.types.Object) -> bool:
    """Whether the closed mesh encloses its volume, in the world."""
    corners = world_vertices(item)[triangles(item.data)[1]] - np.array(item.matrix_world.translation)
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    mirrored = item.matrix_world.determinant() < 0  # Blender turns such faces itself when it draws them
    return bool(volume > 0) != mirrored


def delivered(extension: Extension, folder: JobFolder) -> list[bpy.types.Object]:
    report = extension.module("deliver").deliver(extension.module("backend.contract").JobFolder(folder.path))
    return [bpy.data.objects[name] for name in report.objects]


def _scaled(item: bpy.types.Object) -> None:
    item.matrix_world = Matrix.LocRotScale((1, 2, 3), Matrix.Rotation(0.7, 3, "X"), (1, 5, 0.2))


def _mirrored(item: bpy.types.Object) -> None:
    item.rotation_mode, item.rotation_quaternion = "QUATERNION", (0.9, 0.3, 0.2, 0.1)
    item.scale, item.delta_scale, item.delta_location = (-1, 2, 1), (1, 1, -3), (0, 4, 0)


def _sheared(item: bpy.types.Object) -> None:
    parent = cube("table", (0, 0, 0), (1, 3, 1))
    parent.rotation_euler, item.rotation_euler = (0.5, 0, 0.3), (0.2, 0.4, 0)
    item.parent, item.matrix_parent_inverse = parent, Matrix.Translation((0, 0, 2)) @ Matrix.Rotation(0.2, 4, "Y")


def _constrained(item: bpy.types.Object) -> None:
    limit = item.constraints.new("LIMIT_LOCATION")
    limit.use_min_z, limit.min_z = True, 7.0


@pytest.mark.parametrize("transform", [_scaled, _mirrored, _sheared, _constrained])
def test_it_stands_exactly_where_the_original_stands(
    extension: Extension, ball: bpy.types.Object, low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path,
    transform: Callable[[bpy.types.Object], None],
) -> None:
    home = bpy.data.collections.new("Kitchen")
    bpy.context.scene.collection.children.link(home)
    home.objects.link(ball)
    bpy.context.scene.collection.objects.unlink(ball)
    transform(ball)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="Before")
    before, note = state_of(ball), note_on(extension, "replace", ball)
    new, = delivered(extension, woven_job(tmp_path / "job-1", note, [low_ball]))
    bpy.context.view_layer.update()
    assert np.array(new.matrix_world) == pytest.approx(np.array(ball.matrix_world), abs=1e-5)
    expected = low_ball[0] + np.array(ball.matrix_world.translation)
    assert world_vertices(new) == pytest.approx(expected, abs=1e-4), "woven as it stands, and so delivered"
    assert facing_outwards(new)
    assert new.parent == ball.parent and np.allclose(new.matrix_parent_inverse, ball.matrix_parent_inverse)
    assert list(new.users_collection) == [home]
    assert state_of(ball) == before and ball.hide_get() and ball.hide_render
    bpy.ops.ed.undo()
    ball = bpy.data.objects["vase"]
    assert not ball.hide_get() and not ball.hide_render and "vase low" not in bpy.data.objects, "one step"


def test_it_is_called_low(extension: Extension, ball: bpy.types.Object, low_ball: tuple[np.ndarray, np.ndarray],
                          tmp_path: Path) -> None:
    note = note_on(extension, "replace", ball)
    for number, name in ((1, "vase low"), (2, "vase low.001")):
        new, = delivered(extension, woven_job(tmp_path / f"job-{number}", note, [low_ball]))
        assert new.name == name and bpy.context.view_layer.objects.active.name == "vase low" and not new.hide_get()
    long, = delivered(extension, woven_job(tmp_path / "job-3", note, [low_ball], subject="ваза " * 20))
    assert long.name.endswith(" low") and len(long.name.encode()) <= 63


def test_each_face_has_the_nearest_faces_material(extension: Extension, ball: bpy.types.Object,
                                                  low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    own = bpy.data.materials.new("own")
    ball.material_slots[1].link, ball.material_slots[1].material = "OBJECT", own
    ball.scale.x = -1  # mirrored in the world, not in the frame that both meshes have
    before = state_of(ball)
    new, = delivered(extension, woven_job(tmp_path / "job-1", note_on(extension, "replace", ball), [low_ball]))
    assert [slot.material.name for slot in new.material_slots] == ["left", "own"]
    sides = np.array([polygon.center.x for polygon in new.data.polygons])
    found = np.array([polygon.material_index for polygon in new.data.polygons])
    assert (found[np.abs(sides) > 0.1] == (sides > 0)[np.abs(sides) > 0.1]).all()
    assert not new.data.uv_layers and not new.vertex_groups, "taken over only when asked for"
    assert state_of(ball) == before
    assert [item.name for item in bpy.data.objects] == ["vase", "vase low"] and len(bpy.data.meshes) == 2


def test_empty_slots_stay_empty(extension: Extension, ball: bpy.types.Object, low_ball: tuple[np.ndarray, np.ndarray],
                                tmp_path: Path) -> None:
    ball.material_slots[0].material = None
    new, = delivered(extension, woven_job(tmp_path / "job-1", note_on(extension, "replace", ball), [low_ball]))
    assert [slot.material and slot.material.name for slot in new.material_slots] == [None, "right"]
    assert bpy.ops.meshwright.bake_normals(size="512") == {"FINISHED"}
    assert all(slot.material for slot in new.material_slots) and ball.material_slots[0].material is None


def test_without_materials_it_is_plain(extension: Extension, ball: bpy.types.Object,
                                       low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    note = note_on(extension, "replace", ball) | {"transfer": {"materials": False}}
    new, = delivered(extension, woven_job(tmp_path / "job-1", note, [low_ball]))
    assert [slot.material.name for slot in new.material_slots] == ["vase low"]


def test_uvs_and_weights_come_from_the_nearest_faces(extension: Extension, ball: bpy.types.Object,
                                                     low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    ball.scale = (-2, 1, 3)
    before = state_of(ball)
    note = note_on(extension, "replace", ball) | {"transfer": {"uvs": True, "weights": True}}
    folder = woven_job(tmp_path / "job-1", note, [low_ball, low_ball])
    for times in range(2):  # the second time the original is hidden
        for new in delivered(extension, folder):
            assert [layer.name for layer in new.data.uv_layers] == [layer.name for layer in ball.data.uv_layers]
            assert [group.name for group in new.vertex_groups] == ["top"]
            weights = np.array([sum(group.weight for group in vertex.groups) for vertex in new.data.vertices])
            heights = np.array([max(0.0, vertex.co.z) for vertex in new.data.vertices])
            assert weights == pytest.approx(heights, abs=0.02)
            uvs = np.array([entry.uv for entry in new.data.uv_layers[0].data])
            latitude = np.arcsin(np.clip([new.data.vertices[loop.vertex_index].co.z for loop in new.data.loops], -1, 1))
            assert uvs[:, 1] == pytest.approx(latitude / np.pi + 0.5, abs=0.02), f"time {times}"
    assert state_of(ball) == before and ball.hide_get() and len(bpy.data.meshes) == 5


def test_the_same_surface_keeps_its_uvs_at_the_seams(extension: Extension, ball: bpy.types.Object,
                                                     tmp_path: Path) -> None:
    """What Repair Mesh gives, say: every corner has the UV of its own face, though others lie at the same place."""
    mesh, note = ball.data, note_on(extension, "replace", ball) | {"transfer": {"uvs": True}}
    arrays = triangles(mesh)
    expected = np.array([[mesh.uv_layers[0].uv[loop].vector for loop in triangle.loops]
                         for triangle in mesh.loop_triangles])
    new, = delivered(extension, woven_job(tmp_path / "job-1", note, [arrays]))
    found = np.array([entry.vector for entry in new.data.uv_layers[0].uv]).reshape(-1, 3, 2)
    assert np.ptp(expected[..., 0], axis=1).max() < 0.1, "no face goes across the map"
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("source", ["EVALUATED", "BASE"])
def test_taken_over_from_the_form_that_was_captured(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                                    source: str) -> None:
    """A modifier doubles the box along x and swaps nothing else: the far copy's weights are there or are not."""
    original = cube("plank", (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    original.data.materials.append(bpy.data.materials.new("wood"))
    original.vertex_groups.new(name="end").add([4, 5, 6, 7], 1.0, "REPLACE")
    array = original.modifiers.new("Array", "ARRAY")
    array.count, array.use_relative_offset, array.use_constant_offset = 2, False, True
    array.constant_offset_displace = (2, 0, 0)
    capture, path = extension.module("capture").capture_mesh, tmp_path / "mesh.npz"
    select(original)
    capture(original, path, source, "standing")
    with np.load(path) as data:
        mesh = data["vertices"], data["faces"]
    assert len(mesh[0]) == (16 if source == "EVALUATED" else 8)
    probe = np.array([[1.5, 0, 0], [1.5, 0.1, 0], [1.5, 0, 0.1]], np.float32), np.array([[0, 1, 2]], np.int32)
    note = note_on(extension, "replace", original) | {"transfer": {"weights": True, "source": source}}
    same, near = delivered(extension, woven_job(tmp_path / "job-1", note, [mesh, probe], "plank"))
    assert world_vertices(same) == pytest.approx(mesh[0], abs=1e-6) and not same.modifiers
    weights = [sum(group.weight for group in vertex.groups) for vertex in near.data.vertices]
    assert weights == pytest.approx([0.0] * 3 if source == "EVALUATED" else [1.0] * 3, abs=1e-5)
    assert len(original.modifiers) == 1 and len(original.data.vertices) == 8


def test_variants_wait_hidden_in_the_same_place(extension: Extension, ball: bpy.types.Object,
                                                low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    ball.location = (1, 2, 3)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="Before")
    meshes = [(low_ball[0] * size, low_ball[1]) for size in (1.0, 0.9, 0.8)]
    folder = woven_job(tmp_path / "job-1", note_on(extension, "replace", ball), meshes)
    assert [item.name for item in delivered(extension, folder)] == ["vase low", "vase low.v2", "vase low.v3"]

    def visible() -> list[str]:
        found = [item for item in bpy.data.objects if not item.hide_get() and not item.hide_render]
        assert bpy.context.selected_objects == found and bpy.context.view_layer.objects.active == found[0]
        return [item.name for item in found]

    assert visible() == ["vase low"]
    bpy.data.objects["vase low"].location.x = 9  # the artist moves it
    shown = []
    for _ in range(3):
        assert bpy.ops.meshwright.show_next_variant() == {"FINISHED"}
        bpy.ops.ed.undo_push(message="Shown")
        shown += visible()
        assert bpy.data.objects[shown[-1]].matrix_world.translation.x == 9
    assert shown == ["vase low.v2", "vase low.v3", "vase low"]
    bpy.ops.ed.undo()
    assert visible() == ["vase low.v3"]
    again = delivered(extension, folder)
    assert bpy.context.view_layer.objects.active.name == "vase low.v3", "what the artist selected stays so"
    bpy.context.view_layer.objects.active = again[0]
    bpy.ops.meshwright.show_next_variant()
    assert bpy.context.view_layer.objects.active.name == again[1].name, "its own siblings, not those of before"
    bpy.context.view_layer.objects.active = bpy.data.objects["vase"]
    assert not bpy.ops.meshwright.show_next_variant.poll()


def test_one_variant_has_no_other_to_show(extension: Extension, ball: bpy.types.Object,
                                          low_ball: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    delivered(extension, woven_job(tmp_path / "job-1", note_on(extension, "replace", ball), [low_ball]))
    assert not bpy.ops.meshwright.show_next_variant.poll()
