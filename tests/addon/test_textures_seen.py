# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture is seen: in Solid view, on every selected object and below an empty, and its views large."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

from backend.contract import BadInput, JobFolder, Preview
from blender_addon import image_window
from blender_addon.deliver.provenance import FOLDER, PIPELINE, TASK
from blender_addon.materials.node_trees import overlaid_material, texture_material
from blender_addon.materials.variants import add_material_variant, shown_key
from blender_addon.materials.viewport_shading import seen_in_solid_view, show_textures, shows_textures
from blender_addon.results import shown_materials, textured_objects

from .conftest import Extension

RED = (1.0, 0.0, 0.0)


def image_of(color: tuple[float, ...], alpha: float = 1.0) -> bpy.types.Image:
    """16 x 16, of which the upper half has that alpha and the lower none where it is not 1."""
    image = bpy.data.images.new("paint", 16, 16, alpha=True)
    pixels = np.ones((16, 16, 4), np.float32)
    pixels[..., :3] = color
    pixels[:8, :, 3] = alpha
    image.pixels.foreach_set(pixels.ravel())
    return image


def crate(name: str, parent: bpy.types.Object | None = None) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add()
    item = bpy.context.object
    item.name, item.parent = name, parent
    return item


def paint(item: bpy.types.Object, name: str, folder: str) -> bpy.types.Material:
    material = texture_material(f"{item.name} {name}", {"base_color": image_of(RED)}, "UVMap")
    material[FOLDER], material[PIPELINE], material[TASK] = folder, "flexisyncmvd", "texture"
    add_material_variant(item, name, {0: material})
    return material


def shown(*items: bpy.types.Object) -> list[str]:
    return [shown_key(item)[0] for item in items]


def test_solid_view_has_the_mean_of_the_paint_and_of_what_lies_under_it(scene: bpy.types.Scene) -> None:
    under = bpy.data.materials.new("blue")
    under.diffuse_color = (0, 0, 1, 1)
    assert tuple(texture_material("all", {"base_color": image_of(RED)}, "UVMap").diffuse_color) == (1, 0, 0, 1)
    half = overlaid_material("half", {"base_color": image_of(RED, 0.0)}, "UVMap", under)
    assert np.allclose(half.diffuse_color, (0.5, 0, 0.5, 1)) and tuple(under.diffuse_color) == (0, 0, 1, 1)


def test_one_button_shows_textures_where_they_can_be_seen(scene: bpy.types.Scene) -> None:
    shading = _viewport().shading
    shading.type, shading.color_type = "SOLID", "MATERIAL"
    whole = texture_material("all", {"base_color": image_of(RED)}, "UVMap")
    part = overlaid_material("half", {"base_color": image_of(RED, 0.0)}, "UVMap", None)
    assert seen_in_solid_view(whole) and not seen_in_solid_view(part) and not shows_textures(shading)
    show_textures(shading, [whole])
    assert (shading.type, shading.color_type) == ("SOLID", "TEXTURE") and shows_textures(shading)
    show_textures(shading, [whole, part])
    assert shading.type == "MATERIAL" and shows_textures(shading)


def _viewport() -> bpy.types.SpaceView3D:
    bpy.ops.wm.read_homefile(use_empty=False)
    return next(area.spaces.active for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D")


def test_variants_of_all_parts_switch_together(extension: Extension, scene: bpy.types.Scene) -> None:
    """By the empty as well as by the selection; a part that lacks one keeps what it shows."""
    whole = bpy.data.objects.new("chair", None)
    scene.collection.objects.link(whole)
    parts = [crate(f"part {number}", whole) for number in range(3)]
    for item in parts:
        paint(item, "oak, seed 1", "first")
    for item in parts[:2]:
        paint(item, "oak, seed 1", "second")
    other = crate("other")
    paint(other, "gold", "third")

    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = whole
    whole.select_set(True)
    assert textured_objects(bpy.context) == parts
    assert [material[FOLDER] for material in shown_materials(parts)] == ["second", "first"]
    assert bpy.ops.meshwright.compare_material_variants() == {"FINISHED"}
    assert shown(*parts) == ["Before"] * 3 and shown(other) == ["gold"]
    bpy.ops.meshwright.compare_material_variants()
    assert [shown_key(item)[1] for item in parts] == [1, 1, 0]
    bpy.ops.meshwright.show_material_variant(index=1)
    assert [shown_key(item) for item in parts] == [("oak, seed 1", 0)] * 3

    for item in (*parts, other):
        item.select_set(True)
    bpy.context.view_layer.objects.active = other
    assert textured_objects(bpy.context) == [other, *parts]
    bpy.ops.meshwright.show_material_variant(index=0)
    assert shown(other, *parts) == ["Before"] * 4
    bpy.ops.meshwright.show_material_variant(index=2)
    assert shown(other, *parts) == ["Before", *["oak, seed 1"] * 3]
    bpy.context.view_layer.objects.active = parts[0]
    bpy.ops.meshwright.remove_material_variant()
    assert shown(other, *parts) == ["Before"] * 4 and len(other.meshwright_material_variants) == 2
    assert [len(item.meshwright_material_variants) for item in parts] == [2, 2, 1]


def test_the_views_of_a_job_are_kept_with_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "job")
    assert image_window.views_of(folder) is None
    Image.new("RGB", (64, 32), "red").save(folder.outputs / "views.png")
    folder.append_event(Preview("job", "views.png"))
    folder.append_event(Preview("job", "mesh.npz"))
    path = image_window.views_of(folder)
    assert path == folder.outputs / "views.png"
    image = image_window._image(path, "chair")
    assert tuple(image.size) == (64, 32) and image.is_runtime_data and image.name == "chair views"
    assert image_window._image(path, "chair") == image, "one image for one file"
    Image.new("RGB", (64, 32), "blue").save(path)
    image_window.refresh(path)
    assert tuple(image.pixels[:3]) == (0, 0, 1)
    with pytest.raises(BadInput, match="cannot be read"):
        image_window._image(tmp_path / "none.png", "chair")
