# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Blender's versions differ: materials without nodes before 5.0, kinds of media and old files from 5.0 on."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from .conftest import Extension

BEFORE_5 = bpy.app.version < (5, 0, 0)
COLOR = (0.2, 0.4, 0.6, 1.0)


@pytest.fixture
def painted(scene: bpy.types.Scene) -> bpy.types.Object:
    """A square with a material that uses no nodes, although it has some that were edited."""
    bpy.ops.mesh.primitive_plane_add()
    item = bpy.context.object
    material = bpy.data.materials.new("Plain")
    material.diffuse_color, material.roughness, material.metallic = COLOR, 0.25, 0.75
    if BEFORE_5:
        material.use_nodes = True
        material.node_tree.nodes.clear()
        material.use_nodes = False
    item.data.materials.append(material)
    return item


@pytest.mark.skipif(not BEFORE_5, reason="from 5.0 on every material has nodes")
def test_a_copy_of_a_material_without_nodes_looks_the_same(extension: Extension, painted: bpy.types.Object) -> None:
    material = painted.material_slots[0].material
    copies = [extension.module("materials.node_trees").copied_material(material, "Copy"),
              extension.module("deliver.baking")._copied(material, "Square")]
    for copy in copies:
        shader = copy.node_tree.get_output_node("ALL").inputs["Surface"].links[0].from_node
        assert tuple(shader.inputs["Base Color"].default_value) == pytest.approx(COLOR)
        assert shader.inputs["Roughness"].default_value == 0.25 and shader.inputs["Metallic"].default_value == 0.75
        extension.module("materials.node_trees").remove_material(copy)
    assert not material.use_nodes


@pytest.mark.skipif(not BEFORE_5, reason="from 5.0 on every material has nodes")
def test_the_texture_of_a_material_without_nodes_is_its_color(extension: Extension, painted: bpy.types.Object) -> None:
    bare = bpy.data.materials.new("Bare")  # never had a node tree
    bare.diffuse_color = COLOR
    for material in (painted.material_slots[0].material, bare):
        painted.material_slots[0].material = material
        baked = extension.module("capture.current_texture").baked_texture(painted, "ORIGINAL", "UVMap", painted.name)
        linear = np.array(COLOR[:3])
        seen = (1.055 * linear ** (1 / 2.4) - 0.055) * 255
        assert np.abs(baked[len(baked) // 2, len(baked) // 2] - seen).max() < 3
    extension.module("materials.node_trees").remove_material(bare)


def output_kinds() -> list[dict[str, str]]:
    if BEFORE_5:
        return [{"file_format": "FFMPEG"}, {"file_format": "OPEN_EXR_MULTILAYER", "color_depth": "16"},
                {"file_format": "JPEG"}]
    return [{"media_type": "VIDEO"}, {"media_type": "MULTI_LAYER_IMAGE", "color_depth": "16"},
            {"media_type": "IMAGE", "file_format": "JPEG"}]


@pytest.mark.parametrize("kind", output_kinds(), ids=lambda kind: "-".join(kind.values()))
def test_a_render_is_taken_whatever_the_scene_writes(
    extension: Extension, scene: bpy.types.Scene, tmp_path: Path, kind: dict[str, str]
) -> None:
    scene.render.resolution_x = scene.render.resolution_y = 16
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.render.render()
    settings = scene.render.image_settings
    for name, value in kind.items():
        setattr(settings, name, value)
    names = (*kind, "file_format", "color_mode", "color_depth")
    before = [getattr(settings, name) for name in names]
    image = next(item for item in bpy.data.images if item.type == "RENDER_RESULT")
    assert extension.module("capture").capture_image(image, tmp_path, scene) == "image.png"
    assert (tmp_path / "image.png").read_bytes()[:4] == b"\x89PNG"
    assert [getattr(settings, name) for name in names] == before


@pytest.mark.skipif(BEFORE_5, reason="it has no other place for them")
def test_a_file_of_blender_4_holds_no_material_for_ever(extension: Extension, scene: bpy.types.Scene,
                                                        tmp_path: Path, painted: bpy.types.Object) -> None:
    """As 5.0 reads what 4.5 saved: the add-on's properties lie among the custom properties too."""
    material = painted.material_slots[0].material
    painted["meshwright_material_variants"] = {"material": material}
    painted["meshwright_material_variant"] = 1
    scene["meshwright"] = {"material": material}
    painted["mine"], painted["meshwright_job"] = 3, "kept"
    variant = painted.meshwright_material_variants.add()
    variant.name = "in use"
    name = painted.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    item = bpy.data.objects[name]
    assert sorted(item.keys()) == ["meshwright_job", "mine"] and "meshwright" not in bpy.context.scene
    assert [variant.name for variant in item.meshwright_material_variants] == ["in use"], "what is read stays"
    item.data.materials.clear()
    assert bpy.data.materials["Plain"].users == 0


def test_blenders_numpy_must_be_new_enough_to_run_jobs_in_it(
    extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferences = extension.module("preferences")
    preferences.in_process_complaint.cache_clear()
    monkeypatch.setattr(preferences, "numpy_version", lambda: (1, 24))
    assert "numpy before 1.25" in preferences.in_process_complaint()
    preferences.in_process_complaint.cache_clear()
    monkeypatch.setattr(preferences, "numpy_version", lambda: (1, 25))
    assert "numpy" not in preferences.in_process_complaint()
    preferences.in_process_complaint.cache_clear()
