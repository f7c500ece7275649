# SPDX-License-Identifier: GPL-3.0-or-later
"""The original's detail as a normal map: of the right direction, in materials of the result's own."""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from .conftest import Extension
from .test_artists_day import select
from .test_deliver import note_on
from .test_replacement import _constrained, _mirrored, _scaled, _sheared, delivered, state_of, triangles, woven_job

SLOPE = 0.3
FALLING = np.array([SLOPE, 0, 1]) / np.hypot(SLOPE, 1)
"""Normal of what falls toward +x."""


def grid(name: str, cuts: int) -> bpy.types.Object:
    """A flat square of 2 m with its UVs."""
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=cuts, y_subdivisions=cuts, size=2)
    made = bpy.context.object
    made.name = made.data.name = name
    return made


@pytest.fixture
def roof(extension: Extension, scene: bpy.types.Scene) -> bpy.types.Object:
    """A dense square that rises on one half and falls on the other; its UVs lie as its x and y do."""
    made = grid("roof", 64)
    for vertex in made.data.vertices:
        vertex.co.z = SLOPE * (1 - abs(vertex.co.x)) - SLOPE / 2
    made.data.materials.append(bpy.data.materials.new("Tiles"))
    return made


def flat_result(extension: Extension, roof: bpy.types.Object, path: Path, **transfer: bool) -> bpy.types.Object:
    """A flat square of two faces in the roof's place."""
    low = grid("flat", 1)
    arrays, mesh = triangles(low.data), low.data
    bpy.data.objects.remove(low)
    bpy.data.meshes.remove(mesh)
    note = note_on(extension, "replace", roof) | {"transfer": transfer}
    vertices, faces = arrays
    linear = np.array(roof.matrix_world.to_3x3())  # woven as the roof stands
    woven = (vertices @ linear.T).astype(np.float32), faces[:, ::-1] if np.linalg.det(linear) < 0 else faces
    return delivered(extension, woven_job(path, note, [woven], "roof"))[0]


def normals(image: bpy.types.Image) -> np.ndarray:
    """[H, W, 3] in the tangent frame."""
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)[..., :3] * 2 - 1


def map_of(item: bpy.types.Object) -> tuple[bpy.types.Node, bpy.types.Node]:
    """(image node, normal map node) behind the first material's shader."""
    tree = item.material_slots[0].material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    normal = shader.inputs["Normal"].links[0].from_node
    return normal.inputs["Color"].links[0].from_node, normal


def test_a_slope_becomes_its_normal(extension: Extension, roof: bpy.types.Object, tmp_path: Path) -> None:
    scene = bpy.context.scene
    low = flat_result(extension, roof, tmp_path / "job-1", uvs=True)
    before, engine = state_of(roof), scene.render.engine
    samples = scene.cycles.samples
    assert bpy.ops.meshwright.bake_normals(size="512") == {"FINISHED"}
    image_node, normal_node = map_of(low)
    found = normals(image_node.image)
    assert found[200:300, 330:480].mean(axis=(0, 1)) == pytest.approx(FALLING, abs=0.01)
    assert found[200:300, 30:180].mean(axis=(0, 1)) == pytest.approx(FALLING * (-1, 1, 1), abs=0.01)
    assert image_node.image.colorspace_settings.name == "Non-Color" and image_node.image.packed_file
    assert normal_node.uv_map == "UVMap" == image_node.inputs["Vector"].links[0].from_node.uv_map
    assert state_of(roof) == before and roof.hide_get() and roof.hide_render
    assert roof.material_slots[0].material.name == "Tiles" != low.material_slots[0].material.name
    assert not any(node.type == "TEX_IMAGE" for node in roof.material_slots[0].material.node_tree.nodes)
    assert (scene.render.engine, scene.cycles.samples) == (engine, samples)
    assert bpy.context.view_layer.objects.active == low and bpy.context.selected_objects == [low]


@pytest.mark.parametrize("transform", [_scaled, _mirrored, _sheared, _constrained])
def test_it_comes_out_right_wherever_the_mesh_stands(extension: Extension, roof: bpy.types.Object, tmp_path: Path,
                                                     transform: Callable[[bpy.types.Object], None]) -> None:
    """A shader reads the map in the object's frame, which the original shares: the same map everywhere."""
    transform(roof)
    bpy.context.view_layer.update()
    low = flat_result(extension, roof, tmp_path / "job-1", uvs=True)
    bpy.context.view_layer.update()
    bpy.ops.meshwright.bake_normals(size="512")
    found = normals(map_of(low)[0].image)
    assert found[200:300, 330:480].mean(axis=(0, 1)) == pytest.approx(FALLING, abs=0.01)
    assert found[200:300, 30:180].mean(axis=(0, 1)) == pytest.approx(FALLING * (-1, 1, 1), abs=0.01)


def test_without_uvs_it_is_unwrapped_and_a_second_bake_replaces_the_first(extension: Extension, roof: bpy.types.Object,
                                                                          tmp_path: Path) -> None:
    low = flat_result(extension, roof, tmp_path / "job-1")
    assert not low.data.uv_layers
    bpy.ops.meshwright.bake_normals(size="512", distance=0.5)
    material, first = low.material_slots[0].material, map_of(low)[0].image
    assert [layer.name for layer in low.data.uv_layers] == ["UVMap"]
    tilted = np.hypot(*normals(first)[..., :2].transpose(2, 0, 1)) > 0.2
    assert tilted.mean() > 0.9, "the UVs fill the map, and all of it was met"
    bpy.ops.meshwright.bake_normals(size="1024")
    image_node, _ = map_of(low)
    assert low.material_slots[0].material == material and tuple(image_node.image.size) == (1024, 1024)
    kinds = [node.type for node in material.node_tree.nodes]
    assert kinds.count("TEX_IMAGE") == kinds.count("NORMAL_MAP") == kinds.count("UVMAP") == 1
    assert len(bpy.data.scenes) == 1 and len(bpy.data.objects) == 2


def test_what_cannot_be_baked_is_told(extension: Extension, roof: bpy.types.Object, tmp_path: Path) -> None:
    low = flat_result(extension, roof, tmp_path / "job-1")
    roof.name = "renamed"
    assert extension.module("deliver.replacement").original_of(low) == roof, "renaming does no harm in a session"
    bpy.context.scene.collection.objects.unlink(roof)
    with pytest.raises(RuntimeError, match="renamed cannot be baked"):
        bpy.ops.meshwright.bake_normals()
    bpy.data.objects.remove(roof)
    with pytest.raises(RuntimeError, match="original no longer exists"):
        bpy.ops.meshwright.bake_normals()
    other = grid("other", 1)
    select(other)
    assert not bpy.ops.meshwright.bake_normals.poll()
    assert not bpy.data.images
