# SPDX-License-Identifier: GPL-3.0-or-later
"""A painted glTF file: all of it that was not replaced stays, or is named."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.geometry.mesh_files import read_file
from backend.painting.painted_files import read_painted, write_painted
from tests.geometry.gltf_builder import GltfBuilder, cube, cube_primitive, read_glb

POSITIONS, _, UVS, INDICES = cube()


def png(color: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", (4, 4), color).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def maps(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "new.png").write_bytes(png((10, 200, 30)))
    return {"base_color": tmp_path / "new.png"}


def rich_file(path: Path) -> Path:
    """A skinned, animated, morphing, double-sided mesh with two sets of UVs, colors, and a normal map on the second."""
    builder = GltfBuilder()
    part = cube_primitive(builder, material=0)
    part["attributes"] |= {
        "TEXCOORD_1": builder.accessor((UVS * 0.5).astype("f4")),
        "COLOR_0": builder.accessor(np.full((24, 4), 128, "u1"), normalized=True),
        "JOINTS_0": builder.accessor(np.zeros((24, 4), "u1")),
        "WEIGHTS_0": builder.accessor(np.tile(np.array([1, 0, 0, 0], "f4"), (24, 1))),
    }
    part["targets"] = [{"POSITION": builder.accessor((POSITIONS * (2, 0, 0)).astype("f4"))}]
    joint = builder.node(name="bone")
    builder.scene["skins"] = [{"joints": [joint]}]
    times, turns = builder.accessor(np.array([0, 1], "f4")), builder.accessor(np.array([[0, 0, 0], [1, 0, 0]], "f4"))
    builder.scene["animations"] = [{"name": "move", "samplers": [{"input": times, "output": turns}],
                                    "channels": [{"sampler": 0, "target": {"node": joint, "path": "translation"}}]}]
    builder.scene["images"] = [{"bufferView": builder.view(png(color)), "mimeType": "image/png"}
                               for color in ((255, 0, 0), (128, 128, 255))]
    builder.scene["textures"] = [{"source": 0}, {"source": 1}]
    builder.scene["materials"] = [{
        "name": "cloth", "doubleSided": True, "extras": 5, "normalTexture": {"index": 1, "texCoord": 1},
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.25, "roughnessFactor": 0.5}}]
    builder.node(mesh=builder.mesh(part, weights=[0.0], extras={"of": "the artist"}), skin=0, name="coat")
    return builder.write_glb(path)


def painted(path: Path, choice: str, maps: dict[str, Path]) -> tuple[dict, bytes, tuple[str, ...]]:
    nodes = read_painted(path, choice, False, pytest.fail).nodes
    remarks = write_painted(path.with_name("out.glb"), nodes, [maps] * len(nodes))
    return *read_glb(path.with_name("out.glb")), remarks


@pytest.mark.parametrize("choice", ["keep", "new"])
def test_all_that_was_not_replaced_stays(tmp_path, maps, choice):
    scene, binary, remarks = painted(rich_file(tmp_path / "a.glb"), choice, maps)
    (material,) = scene["materials"]
    assert (material["doubleSided"], material["name"], material["extras"]) == (True, "coat", 5)
    surface = material["pbrMetallicRoughness"]
    assert (surface["metallicFactor"], surface["roughnessFactor"]) == (0.25, 0.5)
    coat = scene["nodes"][1]
    assert coat["skin"] == 0 and scene["skins"] and scene["animations"][0]["name"] == "move"
    mesh = scene["meshes"][coat["mesh"]]
    assert mesh["extras"] == {"of": "the artist"}
    (part,) = mesh["primitives"]
    sets = {"TEXCOORD_0", "TEXCOORD_1"} | ({"TEXCOORD_2"} if choice == "new" else set())
    assert sets | {"POSITION", "NORMAL", "JOINTS_0", "WEIGHTS_0", "_COLOR_0"} == set(part["attributes"])
    assert len(part["targets"]) == 1 and material["normalTexture"]["texCoord"] == (2 if choice == "new" else 1)
    assert len(remarks) == 1 and "vertex colors are kept as the attribute _COLOR_0" in remarks[0]
    images = [Image.open(io.BytesIO(view(scene, binary, image["bufferView"]))).getpixel((0, 0))
              for image in scene["images"]]
    assert sorted(images) == [(10, 200, 30), (128, 128, 255)], "the old base color is gone, the normal map is not"
    (before,), (after,) = (read_file(tmp_path / name).nodes for name in ("a.glb", "out.glb"))
    assert np.allclose(before.vertices[before.faces], after.vertices[after.faces])
    if choice == "keep":
        assert np.array_equal(before.uvs, after.uvs)


def view(scene: dict, binary: bytes, index: int) -> bytes:
    entry = scene["bufferViews"][index]
    return binary[entry.get("byteOffset", 0) :][: entry["byteLength"]]


def test_the_new_layout_is_what_was_painted_on(tmp_path, maps):
    nodes = read_painted(rich_file(tmp_path / "a.glb"), "new", False, pytest.fail).nodes
    write_painted(tmp_path / "out.glb", nodes, [maps])
    (after,) = read_file(tmp_path / "out.glb").nodes
    assert np.allclose(after.placed().uvs, nodes[0].mesh.uvs, atol=1e-6)
    assert after.surfaces[0].base_color()[0, 0].tolist() == [10, 200, 30]


def test_instances_are_painted_one_by_one(tmp_path, maps):
    builder = GltfBuilder()
    places = {"TRANSLATION": builder.accessor(np.array([[0, 0, 0], [3, 0, 0]], "f4"))}
    builder.scene["extensionsUsed"] = ["EXT_mesh_gpu_instancing"]
    builder.node(mesh=builder.mesh(cube_primitive(builder)), name="tree", translation=[0, 1, 0],
                 extensions={"EXT_mesh_gpu_instancing": {"attributes": places}})
    scene, _, _ = painted(builder.write_glb(tmp_path / "a.glb"), "keep", maps)
    assert "extensionsUsed" not in scene and len(scene["materials"]) == 2
    before, after = (read_file(tmp_path / name).nodes for name in ("a.glb", "out.glb"))
    assert [node.name for node in after] == ["tree", "tree.001"]
    assert np.allclose([node.bounds() for node in before], [node.bounds() for node in after])


def test_an_instance_that_is_not_painted_stays(tmp_path, maps):
    builder = GltfBuilder()
    places = {"TRANSLATION": builder.accessor(np.array([[0, 0, 0], [3, 0, 0]], "f4"))}
    builder.node(mesh=builder.mesh(cube_primitive(builder)), name="tree",
                 extensions={"EXT_mesh_gpu_instancing": {"attributes": places}})
    nodes = read_painted(builder.write_glb(tmp_path / "a.glb"), "keep", False, pytest.fail).nodes
    write_painted(tmp_path / "out.glb", nodes, [maps, {}])
    after = read_file(tmp_path / "out.glb").nodes
    assert [len(node.surfaces) for node in after] == [1, 0]


def test_a_cut_out_of_the_old_texture_is_named(tmp_path, maps):
    builder = GltfBuilder()
    builder.scene["images"] = [{"bufferView": builder.view(png((255, 0, 0, 0))), "mimeType": "image/png"}]
    builder.scene["textures"] = [{"source": 0}]
    builder.scene["materials"] = [{"name": "leaf", "alphaMode": "MASK",
                                   "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    builder.node(mesh=builder.mesh(cube_primitive(builder, material=0)), name="leaf")
    scene, _, remarks = painted(builder.write_glb(tmp_path / "a.glb"), "keep", maps)
    assert "alphaMode" not in scene["materials"][0] and "transparency" in remarks[0]


def test_a_shared_mesh_becomes_one_for_each_node_and_the_others_stay(tmp_path, maps):
    builder = GltfBuilder()
    mesh = builder.mesh(cube_primitive(builder))
    for number in range(3):
        builder.node(mesh=mesh, name=f"box {number}", translation=[2.0 * number, 0, 0])
    nodes = read_painted(builder.write_glb(tmp_path / "a.glb"), "keep", False, pytest.fail).nodes
    write_painted(tmp_path / "out.glb", nodes, [maps, {}, maps])
    scene, _ = read_glb(tmp_path / "out.glb")
    assert [node["name"] for node in scene["nodes"]] == ["box 0", "box 1", "box 2"]
    materials = [scene["meshes"][node["mesh"]]["primitives"][0].get("material") for node in scene["nodes"]]
    assert materials[1] is None and len(set(materials)) == 3
