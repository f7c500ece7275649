# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object shows now goes along with its mesh when the views shall follow it: from any material, in the UV map
that will be painted, without a change to anything of the artist's."""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import BadInput, MeshData, MeshwrightError
from blender_addon.capture.painted_mesh import painted_mesh

from .conftest import Extension
from .jobs_at_work import until
from .test_artists_day import select
from .test_operators import desk, only_job
from .test_texture_run import WAIT, crate, easel, finished, weights
from .test_texture_view import view_from
from .textured import assert_kept, object_state, registered_variants, world_state

__all__ = ["desk", "easel", "registered_variants", "weights"]
RED, BLUE, GRAY = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.8, 0.8, 0.8)


def material(name: str, color: tuple[float, ...]) -> bpy.types.Material:
    """A plain one. Its color is linear."""
    made = bpy.data.materials.new(name)
    shader_of(made).inputs["Base Color"].default_value = (*color, 1.0)
    return made


def shader_of(made: bpy.types.Material) -> bpy.types.Node:
    return next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def ramp(name: str = "ramp", size: int = 64) -> bpy.types.Image:
    """An image: red grows to the right, green upward; sRGB."""
    image = bpy.data.images.new(name, size, size)
    grown = (np.arange(size) + 0.5) / size
    rows = np.stack(np.broadcast_arrays(grown[None], grown[:, None], 0.5, 1.0), axis=2).astype(np.float32)
    image.pixels.foreach_set(rows.ravel())
    return image


def box(*materials: bpy.types.Material | None) -> bpy.types.Object:
    """A cube with Blender's own UVs whose sides take these materials in turns."""
    bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3))
    item = bpy.context.object
    item.name = "box"
    for made in materials:
        item.data.materials.append(made)
    for polygon in item.data.polygons:
        polygon.material_index = polygon.index % max(len(materials), 1)
    bpy.context.view_layer.update()
    return item


def captured(item: bpy.types.Object, tmp_path: Path, choice: str = "AUTO", scope: str = "OBJECT",
             which: str = "EVALUATED") -> MeshData:
    """The object's mesh with what it shows, its world unchanged."""
    before = world_state()
    mesh, _ = painted_mesh(item, which, scope, choice, tmp_path / "uvs.npy", textured=True)
    assert world_state() == before
    assert mesh.texture is not None and mesh.texture.dtype == np.uint8
    return mesh


def shown(mesh: MeshData) -> np.ndarray:
    """The colors float [F, 3] in the middle of the faces' UVs, sRGB in [0, 1]."""
    assert mesh.texture is not None
    u, v = mesh.uvs.mean(axis=1).T
    height, width = mesh.texture.shape[:2]
    return mesh.texture[((1 - v) * height).astype(int), (u * width).astype(int)] / 255


def encoded(color: tuple[float, ...]) -> np.ndarray:
    """Linear to sRGB."""
    values = np.array(color)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def ramp_material() -> bpy.types.Material:
    """One that shows the ramp."""
    made = material("paint", RED)
    texture = made.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = ramp()
    made.node_tree.links.new(texture.outputs["Color"], shader_of(made).inputs["Base Color"])
    return made


@pytest.mark.usefixtures("scene")
def test_an_image_comes_as_it_is(tmp_path: Path) -> None:
    made = ramp_material()
    shader_of(made).inputs["Metallic"].default_value = 1.0  # its diffuse color is black
    item = box(made)
    state = object_state(item)
    mesh = captured(item, tmp_path)
    assert_kept(state, object_state(item))
    middles = mesh.uvs.mean(axis=1)
    assert np.abs(shown(mesh)[:, :2] - middles).max() < 0.02, "u is red and v, upward, green"
    assert mesh.texture is not None and mesh.texture.shape == (512, 512, 3)


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("choice", ["AUTO", "NEW"])
def test_every_slot_shows_in_the_map_that_will_be_painted(tmp_path: Path, choice: str) -> None:
    """The red slot is the object's own, not the mesh's; an empty slot shows Blender's gray."""
    item = box(material("other", (0, 1, 0)), material("blue", BLUE), None)
    item.material_slots[0].link = "OBJECT"
    item.material_slots[0].material = material("red", RED)
    mesh = captured(item, tmp_path, choice)
    expected = [encoded((RED, BLUE, GRAY)[polygon % 3]) for polygon in np.repeat(np.arange(6), 2)]
    assert np.abs(shown(mesh) - expected).max() < 0.01
    assert list(item.data.uv_layers.keys()) == ["UVMap"]


@pytest.mark.usefixtures("scene")
def test_the_look_is_carried_over_from_uvs_that_cannot_be_painted(tmp_path: Path) -> None:
    """All sides lie on the same half of the image; laid out anew each still shows it."""
    made = ramp_material()
    item = box(made)
    corners = np.tile([[0, 0], [0.5, 0], [0.5, 1], [0, 1]], (6, 1)).astype(np.float32)
    item.data.uv_layers[0].uv.foreach_set("vector", corners.ravel())
    mesh = captured(item, tmp_path)
    assert mesh.uvs.max() <= 1 and not np.allclose(mesh.uvs.reshape(6, 6, 2)[0], mesh.uvs.reshape(6, 6, 2)[1])
    old = corners.reshape(6, 4, 2)[:, [[0, 1, 2], [0, 2, 3]]].mean(axis=2).reshape(12, 2)
    colors = shown(mesh)[:, :2]
    distances = np.abs(colors[:, None] - old[None, :2]).max(axis=2).min(axis=1)
    assert distances.max() < 0.03 and len(np.unique(colors.round(1), axis=0)) == 2


def grouped(made: bpy.types.Material) -> None:
    """The shader inside a group inside a group."""
    for name in ("inner", "outer"):
        group = bpy.data.node_groups.new(name, "ShaderNodeTree")
        group.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
        end = group.nodes.new("NodeGroupOutput")
        if name == "inner":
            start = group.nodes.new("ShaderNodeBsdfDiffuse")
            start.inputs["Color"].default_value = (*BLUE, 1.0)
        else:
            start = group.nodes.new("ShaderNodeGroup")
            start.node_tree = bpy.data.node_groups["inner"]
        group.links.new(start.outputs[0], end.inputs[0])
    _to_surface(made, "ShaderNodeGroup").node_tree = bpy.data.node_groups["outer"]
    output = made.node_tree.get_output_node("ALL")
    made.node_tree.links.new(made.node_tree.nodes[-1].outputs[0], output.inputs["Surface"])


def shining(made: bpy.types.Material) -> None:
    """A strong light."""
    light = _to_surface(made, "ShaderNodeEmission")
    light.inputs["Color"].default_value, light.inputs["Strength"].default_value = (*BLUE, 1.0), 7.0


def mixed(made: bpy.types.Material) -> None:
    """Half red, half blue: as where only some faces were painted, the paint lies over the old surface."""
    mix = _to_surface(made, "ShaderNodeMixShader")
    made.node_tree.links.new(shader_of(made).outputs[0], mix.inputs[1])
    glossy = made.node_tree.nodes.new("ShaderNodeBsdfDiffuse")
    glossy.inputs["Color"].default_value = (*BLUE, 1.0)
    made.node_tree.links.new(glossy.outputs[0], mix.inputs[2])


def _to_surface(made: bpy.types.Material, kind: str) -> bpy.types.Node:
    node = made.node_tree.nodes.new(kind)
    if node.outputs:
        made.node_tree.links.new(node.outputs[0], made.node_tree.get_output_node("ALL").inputs["Surface"])
    return node


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(("change", "color"), [(grouped, BLUE), (shining, BLUE), (mixed, (0.5, 0.0, 0.5))])
def test_other_surfaces_show_their_colors(tmp_path: Path, change: Callable[[bpy.types.Material], None],
                                           color: tuple[float, ...]) -> None:
    made = material("red", RED)
    change(made)
    nodes = [node.name for node in made.node_tree.nodes]
    assert np.abs(shown(captured(box(made), tmp_path)) - encoded(color)).max() < 0.01
    assert [node.name for node in made.node_tree.nodes] == nodes


@pytest.mark.usefixtures("scene")
def test_modifiers_edit_mode_and_hidden_objects(tmp_path: Path) -> None:
    item = box(material("red", RED), material("blue", BLUE))
    item.modifiers.new("Bevel", "BEVEL").width = 0.2
    item.hide_render = True
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    mesh = captured(item, tmp_path, scope="FACES")
    assert bpy.context.mode == "EDIT_MESH" and len(mesh.faces) > 12
    colors = shown(mesh)
    assert {tuple(color) for color in colors.round(2)} == {RED, BLUE}


@pytest.mark.usefixtures("scene")
def test_what_a_view_shows_is_refined_after_the_whole_look(tmp_path: Path) -> None:
    item = box(material("red", RED), material("blue", BLUE))
    mesh, paint = painted_mesh(item, "BASE", "VIEW", "AUTO", tmp_path / "uvs.npy", view_from(0), textured=True)
    assert paint.masked and mesh.selected.sum() == 2
    expected = [(RED, BLUE)[polygon % 2] for polygon in np.repeat(np.arange(6), 2)]
    assert np.abs(shown(mesh) - expected).max() < 0.01


@pytest.mark.usefixtures("scene")
def test_an_object_without_material_has_nothing_to_follow(tmp_path: Path) -> None:
    item, before = box(None), world_state()
    with pytest.raises(BadInput, match=r"box has no texture to follow\. It has no material\. Give it one"):
        captured(item, tmp_path)
    assert world_state() == before | {"objects": ["box"], "meshes": ["Cube"]}


@pytest.mark.usefixtures("scene")
def test_without_cycles_nothing_is_baked(tmp_path: Path) -> None:
    item, before = box(material("red", RED)), world_state()
    bpy.ops.preferences.addon_disable(module="cycles")
    try:
        with pytest.raises(MeshwrightError, match=r"What box shows now cannot be baked.*Enable Cycles"):
            captured(item, tmp_path)
    finally:
        bpy.ops.preferences.addon_enable(module="cycles")
    assert world_state() == before


def test_two_objects_are_painted_after_what_they_show(easel: Extension) -> None:
    items = [crate("left"), crate("right", 3.0)]
    for item, color in zip(items, (RED, BLUE), strict=True):
        item.active_material = material(item.name, color)
    select(*items)
    settings = bpy.context.scene.meshwright
    settings.flexisyncmvd_texture.cond_type = "depth+tile"
    states = [object_state(item) for item in items]
    assert bpy.ops.meshwright.flexisyncmvd_texture() == {"FINISHED"}
    job = only_job(easel)
    brought = [MeshData.read(job.folder.inputs / name).texture for name in job.request.inputs["mesh"]]
    for texture, color in zip(brought, (RED, BLUE), strict=True):
        assert texture is not None and (texture.reshape(-1, 3)[:, :2].max(axis=0) == np.array(color[:2]) * 255).all()
    finished(easel)
    for item, state in zip(items, states, strict=True):
        assert_kept(state, object_state(item))
        assert item.active_material.name == f"{item.name} texture"
    assert bpy.ops.meshwright.reroll_material() == {"FINISHED"}
    again = only_job(easel)
    texture = MeshData.read(again.folder.inputs / again.request.inputs["mesh"][0]).texture
    assert texture is not None and np.array_equal(texture, brought[0]), "on what was there before"
    bpy.ops.meshwright.cancel_job(job=again.id)
    until(lambda: again.ended, easel.module("jobs").poll_once, WAIT)


def test_without_a_material_nothing_is_queued(easel: Extension) -> None:
    item = crate("crate")
    item.data.materials.clear()
    bpy.context.scene.meshwright.flexisyncmvd_texture.cond_type = "tile"
    with pytest.raises(RuntimeError, match="crate has no texture to follow"):
        bpy.ops.meshwright.flexisyncmvd_texture()
    assert not [job for job in easel.module("jobs").jobs() if not job.ended]
    assert bpy.ops.meshwright.flexisyncmvd_texture.poll()
