# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures for the artist's own object: nothing of it changes but its look, and the old look is one click away."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import Artifact, BadInput, JobFolder, Request, Result
from blender_addon.capture import target_of
from blender_addon.capture.painted_mesh import NEW_LAYER, painted_mesh
from blender_addon.capture.uv_layout import uv_layout
from blender_addon.deliver import deliver
from blender_addon.delivery_note import DeliveryNote, MaterialPlacement
from blender_addon.materials import variants

from .textured import registered_variants

__all__ = ["registered_variants"]


@pytest.fixture
def crate(scene: bpy.types.Scene) -> bpy.types.Object:
    """A cube with Blender's own UVs, a red material, a bevel, a shape key and an edge marked sharp."""
    bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3))
    item = bpy.context.object
    item.name = "crate"
    red = bpy.data.materials.new("red")
    item.data.materials.append(red)
    item.modifiers.new("Bevel", "BEVEL")
    item.shape_key_add(name="Basis")
    item.shape_key_add(name="tall").data[0].co.z += 1
    item.data.edges[0].use_edge_sharp = True
    bpy.context.view_layer.update()
    return item


def arrays(mesh: bpy.types.Mesh) -> dict[str, np.ndarray]:
    """Everything that an artist would miss: places, topology, all attributes, normals, UVs, shape keys."""
    def read(items: bpy.types.bpy_prop_collection, name: str, width: int) -> np.ndarray:
        values = np.empty(len(items) * width, np.float32)
        items.foreach_get(name, values)
        return values

    found = {"co": read(mesh.vertices, "co", 3), "loops": read(mesh.loops, "vertex_index", 1),
             "polygons": read(mesh.polygons, "loop_start", 1), "material": read(mesh.polygons, "material_index", 1),
             "normals": read(mesh.corner_normals, "vector", 3), "sharp": read(mesh.edges, "use_edge_sharp", 1)}
    found |= {f"uv {layer.name}": read(layer.uv, "vector", 2) for layer in mesh.uv_layers}
    if mesh.shape_keys:
        found |= {f"key {key.name}": read(key.data, "co", 3) for key in mesh.shape_keys.key_blocks}
    return found


def assert_kept(before: dict[str, np.ndarray], mesh: bpy.types.Mesh) -> None:
    after = arrays(mesh)
    for name, values in before.items():
        assert np.array_equal(values, after[name]), name


def textured(item: bpy.types.Object, paint: MaterialPlacement, tmp_path: Path, seed: int = 1,
             color: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0)) -> tuple[list[bpy.types.Object], list[str]]:
    """Deliver a one-color texture to the object; what was painted and the remarks."""
    folder = JobFolder.create(tmp_path / f"job-{seed}")
    image = bpy.data.images.new("made", 8, 8, alpha=True)
    image.pixels.foreach_set(np.tile(np.array(color, np.float32), 64))
    image.filepath_raw, image.file_format = str(folder.outputs / "texture.001.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    if paint.new_uvs:
        (folder.inputs / paint.new_uvs).write_bytes((tmp_path / paint.new_uvs).read_bytes())
    folder.write_request(Request(job=folder.path.name, task="texture", pipeline="flexisyncmvd", weights="sd15",
                                 subject="blue", seed=seed, inputs={"mesh": ("mesh.001.npz",)}))
    folder.write_result(Result((Artifact("blue", "image", "texture.001.png", "base_color", "mesh.001.npz"),)))
    DeliveryNote(delivery="material", targets=(target_of(item),), materials=(paint,)).write(folder)
    report = deliver(folder)
    return [bpy.data.objects[name] for name in report.objects], list(report.notes)


def test_own_uvs_are_used_and_nothing_changes(crate: bpy.types.Object, tmp_path: Path) -> None:
    before = arrays(crate.data)
    captured, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert paint == MaterialPlacement("UVMap", slots=(0,), corners=paint.corners, layout=paint.layout)
    assert paint.corners and paint.layout and not (tmp_path / "uvs.npy").exists()
    assert len(captured.faces) > 12, "the bevel is seen"
    assert captured.uvs.shape == (len(captured.faces), 3, 2) and captured.selected.all()
    assert captured.vertices.min(axis=0) == pytest.approx([0, 1, 2], abs=1e-5), "world frame"
    painted, notes = textured(crate, paint, tmp_path)
    assert painted == [crate] and not notes
    assert_kept(before, crate.data)
    assert list(crate.data.uv_layers.keys()) == ["UVMap"]
    assert crate.data.materials[0].name == "red" and crate.material_slots[0].material.name == "crate texture"
    texture = next(node for node in crate.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    assert texture.image.packed_file is not None and texture.image.size[:] == (8, 8)
    assert crate.active_material["meshwright_seed"] == 1


def test_looks_switch_back_and_forth(crate: bpy.types.Object, tmp_path: Path) -> None:
    for seed in (1, 2):
        textured(crate, MaterialPlacement("UVMap"), tmp_path, seed)
    known = variants.material_variants_of(crate)
    assert [look.name for look in known] == ["Before", "blue, seed 1", "blue, seed 2"]
    newest = crate.active_material
    variants.show_material_variant(crate, 0)
    assert crate.active_material.name == "red" and crate.material_slots[0].link == "DATA"
    variants.show_material_variant(crate, 1)
    assert crate.active_material["meshwright_seed"] == 1
    variants.show_material_variant(crate, 2)
    assert crate.active_material == newest


def test_another_user_of_the_mesh_keeps_its_look(crate: bpy.types.Object, tmp_path: Path) -> None:
    twin = bpy.data.objects.new("twin", crate.data)
    bpy.context.scene.collection.objects.link(twin)
    textured(crate, MaterialPlacement("UVMap"), tmp_path)
    assert twin.material_slots[0].material.name == "red"


def test_overlapping_uvs_get_a_new_layer_beside_the_old_one(crate: bpy.types.Object, tmp_path: Path) -> None:
    layer = crate.data.uv_layers[0]
    layer.uv.foreach_set("vector", np.tile(np.array([0, 0, 1, 0, 1, 1, 0, 1], np.float32), 6))
    before, selected = arrays(crate.data), list(bpy.context.selected_objects)
    captured, paint = painted_mesh(crate, "EVALUATED", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert (paint.uv_layer, paint.new_uvs, paint.slots) == (NEW_LAYER, "uvs.npy", (0,))
    assert "new UV map next to its own: 100% of the used UV area is shared by several faces" in paint.remark
    assert_kept(before, crate.data)
    assert list(crate.data.uv_layers.keys()) == ["UVMap"] and list(bpy.context.selected_objects) == selected
    assert len(bpy.data.objects) == 1 and len(bpy.data.meshes) == 1 and len(bpy.data.scenes) == 1
    assert not uv_layout(captured.uvs).faults
    textured(crate, paint, tmp_path, 1)
    textured(crate, paint, tmp_path, 2)
    assert list(crate.data.uv_layers.keys()) == ["UVMap", NEW_LAYER], "one new layer for both textures"
    assert crate.data.uv_layers.active.name == "UVMap" and crate.data.uv_layers[0].active_render
    assert_kept(before, crate.data)
    used = next(node for node in crate.active_material.node_tree.nodes if node.type == "UVMAP")
    assert used.uv_map == NEW_LAYER


def test_a_mesh_without_slots_and_uvs(scene: bpy.types.Scene, tmp_path: Path) -> None:
    mesh = bpy.data.meshes.new("sheet")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [], [(0, 1, 2, 3)])
    item = bpy.data.objects.new("sheet", mesh)
    scene.collection.objects.link(item)
    captured, paint = painted_mesh(item, "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    assert paint.slots == (0,) and len(captured.faces) == 2
    textured(item, paint, tmp_path)
    assert item.active_material.name == "sheet texture" and mesh.materials[0] is None
    variants.show_material_variant(item, 0)
    assert item.material_slots[0].material is None


def test_only_selected_faces_lie_over_the_old_material(crate: bpy.types.Object, tmp_path: Path) -> None:
    for polygon in crate.data.polygons:
        polygon.select = polygon.index == 4
    captured, paint = painted_mesh(crate, "BASE", "FACES", "AUTO", tmp_path / "uvs.npy")
    assert paint.masked and np.flatnonzero(captured.selected).tolist() == [8, 9]
    textured(crate, paint, tmp_path)
    kinds = {node.type for node in crate.active_material.node_tree.nodes}
    assert {"MIX_SHADER", "TEX_IMAGE"} <= kinds
    assert "MIX_SHADER" not in {node.type for node in bpy.data.materials["red"].node_tree.nodes}


def test_only_the_active_slot(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.data.materials.append(bpy.data.materials.new("green"))
    crate.data.polygons[0].material_index, crate.active_material_index = 1, 1
    captured, paint = painted_mesh(crate, "BASE", "SLOT", "AUTO", tmp_path / "uvs.npy")
    assert paint.slots == (1,) and captured.selected.sum() == 2
    textured(crate, paint, tmp_path)
    assert [slot.material.name for slot in crate.material_slots] == ["red", "crate texture"]


def test_a_mirrored_object_keeps_facing_outwards(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.scale.x = -1
    bpy.context.view_layer.update()
    captured, _ = painted_mesh(crate, "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    corners = captured.vertices[captured.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((corners.mean(axis=1) - captured.vertices.mean(axis=0)) * normals).sum(axis=1).min() > 0


def test_nothing_to_paint_is_said(crate: bpy.types.Object, tmp_path: Path) -> None:
    for polygon in crate.data.polygons:
        polygon.select = False
    with pytest.raises(BadInput, match="nothing to paint"):
        painted_mesh(crate, "BASE", "FACES", "AUTO", tmp_path / "uvs.npy")
    crate.data.clear_geometry()
    with pytest.raises(BadInput, match="no faces"):
        painted_mesh(crate, "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy")


def test_an_object_edited_or_deleted_meanwhile_loses_nothing(crate: bpy.types.Object, tmp_path: Path) -> None:
    _, paint = painted_mesh(crate, "BASE", "OBJECT", "NEW", tmp_path / "uvs.npy")
    crate.shape_key_clear()
    crate.data.clear_geometry()
    painted, notes = textured(crate, paint, tmp_path)
    assert not painted and "was edited since. Its texture is saved as image crate texture" in notes[0]
    assert bpy.data.images["crate texture"].use_fake_user


def test_new_uvs_are_not_laid_on_other_faces_of_the_same_number(crate: bpy.types.Object, tmp_path: Path) -> None:
    _, paint = painted_mesh(crate, "BASE", "OBJECT", "NEW", tmp_path / "uvs.npy")
    crate.shape_key_clear()
    crate.data.flip_normals()
    layers = list(crate.data.uv_layers.keys())
    painted, notes = textured(crate, paint, tmp_path)
    assert not painted and "was edited since" in notes[0]
    assert list(crate.data.uv_layers.keys()) == layers


def test_uv_faults_are_found() -> None:
    square = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float32)
    assert uv_layout(square).faults == ()
    assert "shared by several faces" in uv_layout(np.concatenate([square, square])).faults[0]
    assert "outside" in uv_layout(square + 0.5).faults[0]
    assert "no area" in uv_layout(square * 0).faults[0]
    assert "no area" in uv_layout(np.full((2, 3, 2), np.nan)).faults[0]
