# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that is captured is the one that its artist sees, and what happened since is noticed at delivery."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.contract import BadInput, JobFolder, MeshData
from backend.contract.json_form import to_json
from blender_addon import task_inputs
from blender_addon.capture import camera, capture_mesh, target_of
from blender_addon.capture.mesh import far_origin
from blender_addon.capture.painted_mesh import painted_mesh
from blender_addon.deliver import deliver
from blender_addon.delivery_note import DeliveryNote

from . import textured
from .test_deliver import finished_job
from .test_replacement import triangles, woven_job
from .test_texture import crate
from .test_texture import textured as paint_it

__all__ = ["crate"]

registered_variants = textured.registered_variants
FAR = (500_000.0, 4_600_000.0, 0.0)


def captured(item: bpy.types.Object, path: Path, which: str = "EVALUATED", frame: str = "world",
             origin: np.ndarray | None = None) -> MeshData:
    capture_mesh(item, path, which, frame, origin)
    return MeshData.read(path)


def test_what_dynamic_topology_holds_back_is_captured(scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add()
    ball = bpy.context.object
    bpy.ops.object.mode_set(mode="SCULPT")
    bpy.ops.sculpt.dynamic_topology_toggle()
    assert len(ball.data.polygons) == 512, "Blender holds the triangles back"
    mesh = captured(ball, tmp_path / "mesh.npz")
    assert len(mesh.faces) == 960 and ball.mode == "SCULPT"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(ball.data.polygons) == 960


@pytest.mark.parametrize("which", ["EVALUATED", "BASE"])
def test_what_edit_mode_holds_back_is_captured(scene: bpy.types.Scene, tmp_path: Path, which: str) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide()
    assert len(captured(cube, tmp_path / "mesh.npz", which).faces) == 48 and cube.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")


def with_instances(keep: bool) -> bpy.types.Object:
    """A cube whose nodes put a small cube, mirrored, on each vertex; with its own faces or without."""
    bpy.ops.mesh.primitive_cube_add(location=(5, 0, 0), rotation=(0, 0, 0.3))
    cube = bpy.context.object
    tree = bpy.data.node_groups.new("spread", "GeometryNodeTree")
    for side in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=side, socket_type="NodeSocketGeometry")
    nodes = [tree.nodes.new(kind) for kind in ("NodeGroupInput", "NodeGroupOutput", "GeometryNodeInstanceOnPoints",
                                               "GeometryNodeMeshCube", "GeometryNodeJoinGeometry")]
    start, end, spread, small, join = nodes
    spread.inputs["Scale"].default_value = (-0.2, 0.2, 0.2)
    for source, target in ((start.outputs[0], spread.inputs["Points"]),
                           (small.outputs["Mesh"], spread.inputs["Instance"]),
                           (spread.outputs[0], join.inputs[0]), (join.outputs[0], end.inputs[0])):
        tree.links.new(source, target)
    if keep:
        tree.links.new(start.outputs[0], join.inputs[0])
    cube.modifiers.new("spread", "NODES").node_group = tree
    bpy.context.view_layer.update()
    return cube


@pytest.mark.parametrize("keep", [True, False])
def test_instances_become_real_on_the_capture(scene: bpy.types.Scene, tmp_path: Path, keep: bool) -> None:
    cube = with_instances(keep)
    world = captured(cube, tmp_path / "a.npz")
    assert len(world.faces) == 12 * (8 + keep) and world.volume == pytest.approx(8 * 0.2**3 + 8 * keep, rel=1e-5)
    assert world.bounds.mean(axis=0) == pytest.approx([5, 0, 0], abs=1e-5)
    standing = captured(cube, tmp_path / "b.npz", frame="standing")
    assert np.allclose(standing.vertices, world.vertices - np.array([5, 0, 0]), atol=1e-5)
    if keep:
        assert len(captured(cube, tmp_path / "c.npz", "BASE").faces) == 12
        _, paint = painted_mesh(cube, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
        assert "instances of Cube were not painted" in paint.remark


def test_an_instanced_collection_is_named_with_its_operator(scene: bpy.types.Scene) -> None:
    empty = bpy.data.objects.new("trees", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", bpy.data.collections.new("wood")
    scene.collection.objects.link(empty)
    empty.select_set(True)
    assert "Make Instances Real" in task_inputs._other_selection(bpy.context)


def test_far_objects_keep_their_shape_and_their_distance(scene: bpy.types.Scene, tmp_path: Path) -> None:
    items = []
    for shift in (0, 1):
        bpy.ops.mesh.primitive_cube_add(size=0.4, location=(FAR[0] + shift, *FAR[1:]))
        items.append(bpy.context.object)
    bpy.context.view_layer.update()
    origin = far_origin(items, "world")
    meshes = [captured(item, tmp_path / f"{item.name}.npz", "BASE", origin=origin) for item in items]
    for mesh in meshes:
        assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.4] * 3, abs=1e-6)
    assert meshes[1].bounds[0, 0] - meshes[0].bounds[0, 0] == pytest.approx(1, abs=1e-5)
    assert not far_origin(items, "standing").any(), "without its place an object is not far"
    painted, _ = painted_mesh(items[0], "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy", origin=origin)
    assert np.ptp(painted.vertices, axis=0) == pytest.approx([0.4] * 3, abs=1e-6)


def test_groups_go_back_to_where_they_were_captured(scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_cube_add(size=0.4, location=FAR)
    cube = bpy.context.object
    origin = far_origin([cube], "world")
    mesh = captured(cube, tmp_path / "mesh.npz", "BASE", origin=origin)
    folder = finished_job(tmp_path / "job", "split_parts", boxes=[tuple(map(tuple, mesh.bounds.tolist()))],
                          note={"delivery": "groups", "targets": [to_json(target_of(cube, origin))]})
    deliver(folder)
    made = next(item for item in bpy.data.objects if item.type == "MESH" and item != cube)
    bpy.context.view_layer.update()
    assert np.ptp([vertex.co for vertex in made.data.vertices], axis=0) == pytest.approx([0.4] * 3, abs=1e-6)
    assert np.allclose(made.matrix_world.translation, FAR, atol=0.5), "what Blender's own coordinates hold there"


def test_a_texture_for_uvs_that_changed_since_is_kept_aside(crate: bpy.types.Object, tmp_path: Path) -> None:
    _, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    crate.data.uv_layers[0].uv[0].vector = (0.5, 0.5)
    painted, notes = paint_it(crate, paint, tmp_path)
    assert not painted and "has other UVs now. Its texture is saved as image crate texture" in notes[0]


def test_edit_mode_without_edits_is_no_change(crate: bpy.types.Object, tmp_path: Path) -> None:
    _, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    bpy.context.view_layer.objects.active = crate
    for mode in ("EDIT", "OBJECT", "WEIGHT_PAINT", "OBJECT"):
        bpy.ops.object.mode_set(mode=mode)
    painted, notes = paint_it(crate, paint, tmp_path)
    assert painted == [crate] and not notes


@pytest.mark.parametrize("change", ["applied scale", "edited", "moved", "none"])
def test_a_replacement_stands_right_whatever_happened(scene: bpy.types.Scene, tmp_path: Path, change: str) -> None:
    bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3))
    cube = bpy.context.object
    cube.name, cube.scale = "vase", (2, 1, 0.5)
    bpy.context.view_layer.update()
    mesh = captured(cube, tmp_path / "mesh.npz", frame="standing")
    note = to_json(DeliveryNote("replace", targets=(target_of(cube),)))
    folder: JobFolder = woven_job(tmp_path / "job", note, [(mesh.vertices, mesh.faces)])
    expected = cube.matrix_world.copy()
    if change == "applied scale":
        bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
    elif change == "edited":
        cube.data.vertices[0].co.x -= 1
    elif change == "moved":
        cube.location.x += 5
        expected = Matrix.Translation((5, 0, 0)) @ expected
    report = deliver(folder)
    made = bpy.data.objects[report.objects[0]]
    bpy.context.view_layer.update()
    corners = triangles(made.data)[0] @ np.array(made.matrix_world.to_3x3()).T + np.array(made.matrix_world.translation)
    assert np.ptp(corners, axis=0) == pytest.approx([4, 2, 1], abs=1e-5)
    assert corners.mean(axis=0) == pytest.approx(expected.translation, abs=1e-5)
    edited = [words for words in report.notes if "was edited since" in words]
    assert len(edited) == (change in ("applied scale", "edited"))


def test_an_older_note_without_checksums_is_delivered(scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    target = to_json(target_of(bpy.context.object))
    assert target.pop("shape") and "origin" in target
    target.pop("origin")
    mesh = captured(bpy.context.object, tmp_path / "mesh.npz", frame="standing")
    folder = woven_job(tmp_path / "job", json.loads(json.dumps({"delivery": "replace", "targets": [target]})),
                       [(mesh.vertices, mesh.faces)])
    assert not [words for words in deliver(folder).notes if "since" in words]


@pytest.fixture
def studio(scene: bpy.types.Scene) -> bpy.types.Object:
    """A cube before a camera."""
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    made = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(made)
    made.location, made.rotation_euler = (0, -8, 3), (1.25, 0, 0)
    scene.camera, scene.render.engine = made, "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = 64
    return cube


@pytest.mark.parametrize(("hide", "words"), [
    (lambda cube: setattr(cube, "hide_render", True), "disabled in renders"),
    (lambda cube: setattr(cube, "visible_camera", False), "sees nothing"),
    (lambda cube: cube.data.clear_geometry(), "sees nothing"),
    (lambda cube: setattr(cube, "location", (0, -100, 0)), "sees nothing"),
], ids=["hidden", "ray visibility", "empty", "behind"])
def test_a_camera_image_of_nothing_is_refused(studio: bpy.types.Object, monkeypatch: pytest.MonkeyPatch, hide,
                                              words: str) -> None:
    monkeypatch.setattr(camera, "LONG_SIDE", 32)
    hide(studio)
    with pytest.raises(BadInput, match=words):
        camera.view_of_objects(bpy.context, [studio])
    assert set(bpy.data.images.keys()) <= {"Render Result"} and len(bpy.data.scenes) == 1


def test_a_color_configuration_without_usual_names(studio: bpy.types.Object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its views are called, there is an image."""
    monkeypatch.setattr(camera, "LONG_SIDE", 32)
    monkeypatch.setattr(camera, "PLAIN_VIEWS", ("No such view", "Another"))
    image = camera.view_of_objects(bpy.context, [studio])
    assert image.packed_file and max(list(image.pixels)[3::4]) > 0.9
