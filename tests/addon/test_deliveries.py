# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result may bring: UVs and material maps, vertex colors, variants, text; as an object or on a mesh."""

from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import Artifact, JobFolder, MeshData, MeshwrightError, Request, Result
from blender_addon.capture import target_of
from blender_addon.deliver import deliver
from blender_addon.deliver.caption import caption_of
from blender_addon.deliver.variants import show_next, variants_of
from blender_addon.delivery_note import DeliveryNote, MaterialPlacement

from .textured import assert_kept, object_state, registered_variants

__all__ = ["registered_variants"]

QUAD = MeshData(
    [[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], [[0, 1, 2], [0, 2, 3]],
    uvs=[[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]],
)
MAPS = {"base_color": (1.0, 0.0, 0.0, 1.0), "metallic": (0.25, 0.25, 0.25, 1.0), "roughness": (0.5, 0.5, 0.5, 1.0),
        "normal": (0.5, 0.5, 1.0, 1.0)}


def write_image(path: Path, color: tuple[float, ...], size: int = 4) -> None:
    image = bpy.data.images.new("made", size, size, alpha=True)
    image.pixels.foreach_set(np.tile(np.array(color, np.float32), size * size))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def job(path: Path, artifacts: list[Artifact], inputs: Mapping[str, tuple[str, ...]] | None = None,
        note: DeliveryNote | None = None, meshes: Mapping[str, MeshData] | None = None,
        maps: Mapping[str, tuple[float, ...]] | None = None) -> JobFolder:
    """A finished job folder. The pipeline is one that exists; what it delivers is up to the note."""
    folder = JobFolder.create(path)
    for file, mesh in (meshes or {}).items():
        mesh.write(folder.outputs / file)
    for file, color in (maps or {}).items():
        write_image(folder.outputs / file, color)
    folder.write_request(Request(path.name, "texture", "flexisyncmvd", "sd15", "mug", 3, inputs=inputs or {}))
    folder.write_result(Result(tuple(artifacts)))
    (note or DeliveryNote(size=1.0)).write(folder)
    return folder


def map_artifacts(target: str, roles: tuple[str, ...] = tuple(MAPS)) -> list[Artifact]:
    return [Artifact(role, "image", f"{role}.png", role, target) for role in roles]


def shown_images(material: bpy.types.Material) -> dict[str, bpy.types.Image]:
    """The image that reaches each socket of the shader, through a normal map's node or not."""
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    found = {}
    for socket in shader.inputs:
        if socket.links:
            node = socket.links[0].from_node
            node = node.inputs["Color"].links[0].from_node if node.type == "NORMAL_MAP" else node
            found[socket.name] = node.image
    return found


def test_an_object_arrives_with_uvs_and_all_maps(scene: bpy.types.Scene, tmp_path: Path) -> None:
    artifacts = [Artifact("mug", "mesh", "mesh.npz", "mesh"), *map_artifacts("mesh.npz")]
    report = deliver(job(tmp_path / "job-1", artifacts, meshes={"mesh.npz": QUAD},
                         maps={f"{role}.png": color for role, color in MAPS.items()}))
    made = bpy.data.objects[report.objects[0]]
    assert report.objects == ("mug",) and report.message == "Meshwright: mug" and made.select_get()
    assert max(made.dimensions) == pytest.approx(1.0) and tuple(made.scale) == (1, 1, 1)
    uvs = np.empty(12, np.float32)
    made.data.uv_layers["UVMap"].uv.foreach_get("vector", uvs)
    np.testing.assert_array_equal(uvs, QUAD.uvs.ravel())
    images = shown_images(made.active_material)
    assert {name: image.colorspace_settings.is_data for name, image in images.items()} == {
        "Base Color": False, "Metallic": True, "Roughness": True, "Normal": True}
    assert all(image.packed_file for image in images.values())
    assert images["Metallic"].pixels[0] == pytest.approx(0.25, abs=0.01), "read as data, not through sRGB"
    assert made.active_material.diffuse_color[:] == pytest.approx((1, 0, 0, 1)), "Solid view shows the texture's mean"


def test_vertex_colors_arrive_and_are_shown(scene: bpy.types.Scene, tmp_path: Path) -> None:
    colors = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0.2, 0.4, 0.6, 1]], np.float32)
    mesh = MeshData(QUAD.vertices, QUAD.faces, colors=colors)
    made = bpy.data.objects[deliver(job(tmp_path / "job-1", [Artifact("mug", "mesh", "mesh.npz", "mesh")],
                                        meshes={"mesh.npz": mesh})).objects[0]]
    read = np.empty(16, np.float32)
    made.data.color_attributes.active_color.data.foreach_get("color_srgb", read)
    np.testing.assert_allclose(read.reshape(-1, 4), colors, atol=1 / 255)
    shader = next(node for node in made.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert shader.inputs["Base Color"].links[0].from_node.layer_name == made.data.color_attributes.active_color_name


def test_further_objects_are_variants(scene: bpy.types.Scene, tmp_path: Path) -> None:
    artifacts = [Artifact("mug", "mesh", f"{number}.npz", "mesh", group="variant") for number in (1, 2)]
    report = deliver(job(tmp_path / "job-1", artifacts, meshes={"1.npz": QUAD, "2.npz": QUAD}))
    first, second = (bpy.data.objects[name] for name in report.objects)
    assert variants_of(first) == [first, second] and second.hide_get() and not first.hide_get()
    assert bpy.context.selected_objects == [first]
    assert show_next(first, bpy.context.view_layer) == second and first.hide_get() and not second.hide_get()


@pytest.fixture
def crate(scene: bpy.types.Scene) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3))
    item = bpy.context.object
    item.name = "crate"
    item.data.materials.append(bpy.data.materials.new("wood"))
    return item


def paint_note(item: bpy.types.Object, masked: bool = False) -> DeliveryNote:
    return DeliveryNote("material", targets=(target_of(item),), materials=(MaterialPlacement("UVMap", masked=masked),))


def painted(path: Path, item: bpy.types.Object, masked: bool = False, **colors: tuple[float, ...]) -> None:
    roles = tuple(colors)
    deliver(job(path, map_artifacts("mesh.001.npz", roles), {"mesh": ("mesh.001.npz",)}, paint_note(item, masked),
                maps={f"{role}.png": color for role, color in colors.items()}))


def test_a_mesh_gets_a_material_of_several_maps_and_nothing_else_changes(crate: bpy.types.Object,
                                                                          tmp_path: Path) -> None:
    before = object_state(crate)
    painted(tmp_path / "job-1", crate, **MAPS)
    assert_kept(before, object_state(crate))
    images = shown_images(crate.active_material)
    assert set(images) == {"Base Color", "Metallic", "Roughness", "Normal"}
    assert len({node.name for node in crate.active_material.node_tree.nodes if node.type == "UVMAP"}) == 1


def test_maps_of_some_faces_are_composed_with_those_below(crate: bpy.types.Object, tmp_path: Path) -> None:
    """Where the new base color is transparent every map keeps what it had."""
    painted(tmp_path / "job-1", crate, **MAPS)
    painted(tmp_path / "job-2", crate, True, base_color=(0, 0, 1, 0.0), metallic=(1, 1, 1, 1), roughness=(1, 1, 1, 1),
            normal=(0.5, 0.5, 1, 1))
    images = shown_images(crate.active_material)
    assert images["Base Color"].pixels[:3] == pytest.approx((1, 0, 0)), "transparent: the old color stays"
    assert images["Metallic"].pixels[0] == pytest.approx(0.25, abs=0.01)
    assert not any(node.type == "MIX_SHADER" for node in crate.active_material.node_tree.nodes)


def test_other_maps_are_laid_over(crate: bpy.types.Object, tmp_path: Path) -> None:
    """A base color over a material with more maps cannot be composed: the old surface stays below it."""
    painted(tmp_path / "job-1", crate, **MAPS)
    painted(tmp_path / "job-2", crate, True, base_color=(0, 0, 1, 0.0))
    nodes = crate.active_material.node_tree.nodes
    assert [node.type for node in nodes].count("MIX_SHADER") == 1
    assert [node.type for node in nodes].count("TEX_IMAGE") == 5


def test_a_missing_map_leaves_the_object_as_it_was(crate: bpy.types.Object, tmp_path: Path) -> None:
    folder = job(tmp_path / "job-1", map_artifacts("mesh.001.npz"), {"mesh": ("mesh.001.npz",)}, paint_note(crate),
                 maps={"base_color.png": MAPS["base_color"]})
    before, images = object_state(crate), len(bpy.data.images)
    with pytest.raises(MeshwrightError, match="cannot be read"):
        deliver(folder)
    assert object_state(crate) == before and len(bpy.data.images) == images


def test_a_text_is_kept_on_the_object_it_describes(crate: bpy.types.Object, tmp_path: Path) -> None:
    folder = job(tmp_path / "job-1", [Artifact("caption", "text", "caption.txt", "caption")],
                 {"mesh": ("mesh.001.npz",)}, DeliveryNote("text", targets=(target_of(crate),)))
    (folder.outputs / "caption.txt").write_text("a wooden crate\n", encoding="utf-8")
    before = object_state(crate)
    report = deliver(folder)
    assert caption_of(crate) == "a wooden crate" and "“a wooden crate”" in report.notes
    assert object_state(crate) == before, "not renamed, not selected, not moved"


@pytest.mark.parametrize("mesh", [
    MeshData(QUAD.vertices, [[0, 1, 9]]), MeshData(QUAD.vertices * np.nan, QUAD.faces),
    MeshData(QUAD.vertices, QUAD.faces, uvs=QUAD.uvs[:1]), MeshData(QUAD.vertices, QUAD.faces, colors=np.ones((2, 4))),
    MeshData.empty(),
])
def test_a_damaged_mesh_is_refused_before_anything_is_made(mesh: MeshData, scene: bpy.types.Scene,
                                                           tmp_path: Path) -> None:
    folder = job(tmp_path / "job-1", [Artifact("mug", "mesh", "mesh.npz", "mesh")], meshes={"mesh.npz": mesh})
    with pytest.raises(MeshwrightError, match="damaged"):
        deliver(folder)
    assert not bpy.data.objects and not bpy.data.meshes
