# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF files of every kind that the specification has, read as Blender's importer reads them."""

import base64
import io
import json

import DracoPy
import numpy as np
import pytest
from PIL import Image

from backend.contract import BadInput
from backend.geometry.mesh_files import read_file, read_parts

from .gltf_builder import GltfBuilder, cube, cube_primitive

POSITIONS, NORMALS, UVS, INDICES = cube()
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)


def bounds(path) -> list:
    """In Blender's frame, over all parts."""
    boxes = np.concatenate([node.bounds() for node in read_file(path).nodes])
    return [boxes.min(axis=0).round(4).tolist(), boxes.max(axis=0).round(4).tolist()]


def area(path) -> float:
    return float(sum(np.linalg.norm(part.mesh.area_vectors(), axis=1).sum() for part in read_parts(path)))


def one_node(path, attributes=None, **node):
    """A cube whose attributes are replaced by accessors of the arrays."""
    builder = GltfBuilder()
    part = cube_primitive(builder)
    for name, (values, further) in (attributes or {}).items():
        part["attributes"][name] = builder.accessor(values, **further)
    builder.node(mesh=builder.mesh(part), name="cube", **node)
    return builder.write_glb(path)


@pytest.mark.parametrize(("name", "uri"), [
    ("my box#1.bin", "my%20box%231.bin"), ("my box.bin", "my box.bin"), ("", "data:application/octet-stream;base64,"),
])
def test_buffers_of_every_uri(tmp_path, name, uri):
    builder = GltfBuilder()
    builder.node(mesh=builder.mesh(cube_primitive(builder)), name="cube")
    if name:
        (tmp_path / name).write_bytes(builder.binary)
    else:
        uri += base64.b64encode(builder.binary).decode()
    builder.write_gltf(tmp_path / "box.gltf", uri)
    assert bounds(tmp_path / "box.gltf") == [[0, -1, 0], [1, 0, 1]] and area(tmp_path / "box.gltf") == pytest.approx(6)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2"])
def test_normalized_integers_are_shares(tmp_path, kind):
    whole = np.iinfo(kind).max
    values = {name: (np.round(array * whole).astype(kind), {"normalized": True})
              for name, array in (("POSITION", POSITIONS), ("TEXCOORD_0", UVS))}
    path = one_node(tmp_path / "a.glb", values, scale=[2, 2, 2])
    assert bounds(path) == [[0, -2, 0], [2, 0, 2]]
    (node,) = read_file(path).nodes
    assert node.uvs.min() == pytest.approx(0.02, abs=0.01) and node.uvs.max() == pytest.approx(0.98, abs=0.01)


def test_integers_that_are_not_normalized_are_meters(tmp_path):
    path = one_node(tmp_path / "a.glb", {"POSITION": ((POSITIONS * 3).astype("u2"), {})})
    assert bounds(path) == [[0, -3, 0], [3, 0, 3]]


def test_sparse_values_replace_others_and_zeros(tmp_path):
    for base in (True, False):
        builder = GltfBuilder()
        part = cube_primitive(builder)
        accessor = builder.scene["accessors"][part["attributes"]["POSITION"]]
        moved = np.flatnonzero(POSITIONS[:, 0] > 0).astype(np.uint16) if base else np.arange(24, dtype=np.uint16)
        values = POSITIONS[moved] * (4, 1, 1)
        if not base:
            del accessor["bufferView"]
        accessor["sparse"] = {"count": len(moved),
                              "indices": {"bufferView": builder.view(moved.tobytes()), "componentType": 5123},
                              "values": {"bufferView": builder.view(values.astype(np.float32).tobytes())}}
        builder.node(mesh=builder.mesh(part))
        assert bounds(builder.write_glb(tmp_path / "a.glb")) == [[0, -1, 0], [4, 0, 1]]


@pytest.mark.parametrize(("mode", "order"), [(5, [0, 1, 3, 2]), (6, [0, 1, 2, 3]), (4, [0, 1, 2, 0, 2, 3]),
                                             (5, [0, 1, 3, 2, 2, 2])])
def test_strips_and_fans_face_one_way(tmp_path, mode, order):
    builder = GltfBuilder()
    part = {"attributes": {"POSITION": builder.accessor(SQUARE)}, "indices": builder.accessor(np.array(order, "u1")),
            "mode": mode}
    builder.node(mesh=builder.mesh(part))
    (node,) = read_file(builder.write_glb(tmp_path / "a.glb")).nodes
    corners = node.vertices[node.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert len(node.faces) == 2 and np.allclose(normals, [0, 0, 1])


def test_joints_place_a_skinned_mesh_and_its_node_does_not(tmp_path):
    builder = GltfBuilder()
    part = cube_primitive(builder)
    upper = POSITIONS[:, 1] > 0.5
    part["attributes"]["JOINTS_0"] = builder.accessor(np.outer(upper, [1, 0, 0, 0]).astype("u1"))
    part["attributes"]["WEIGHTS_0"] = builder.accessor(np.tile(np.array([1, 0, 0, 0], "f4"), (24, 1)))
    lower, raised = builder.node(name="lower"), builder.node(name="raised", translation=[0, 3, 0])
    builder.scene["skins"] = [{"joints": [lower, raised],
                               "inverseBindMatrices": builder.accessor(np.tile(np.eye(4, dtype="f4").ravel(), (2, 1)))}]
    builder.node(mesh=builder.mesh(part), skin=0, translation=[100, 0, 0], scale=[10, 10, 10])
    assert bounds(builder.write_glb(tmp_path / "a.glb")) == [[0, -1, 0], [1, 0, 4]]


def test_default_morph_weights_move_the_mesh(tmp_path):
    builder = GltfBuilder()
    part = cube_primitive(builder)
    part["targets"] = [{"POSITION": builder.accessor((POSITIONS * (2, 0, 0)).astype("f4"))}]
    mesh = builder.mesh(part, weights=[0.5])
    builder.node(mesh=mesh)
    assert bounds(builder.write_glb(tmp_path / "a.glb")) == [[0, -1, 0], [2, 0, 1]]
    builder.scene["nodes"][0]["weights"] = [1.0]  # a node's count before its mesh's
    assert bounds(builder.write_glb(tmp_path / "b.glb")) == [[0, -1, 0], [3, 0, 1]]


def test_every_instance_is_a_part(tmp_path):
    builder = GltfBuilder()
    builder.scene["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    places = {"TRANSLATION": builder.accessor(np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0]], "f4")),
              "ROTATION": builder.accessor(np.array([[0, 0, 0, 127]] * 3, "i1"), normalized=True),
              "SCALE": builder.accessor(np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]], "f4"))}
    builder.node(mesh=builder.mesh(cube_primitive(builder)), name="tree", scale=[2, 2, 2],
                 extensions={"EXT_mesh_gpu_instancing": {"attributes": places}})
    nodes = read_file(builder.write_glb(tmp_path / "a.glb")).nodes
    assert [node.name for node in nodes] == ["tree", "tree.001", "tree.002"]
    assert [node.bounds()[0, 0] for node in nodes] == [0, 6, 12]
    assert nodes[1].bounds()[1, 2] == 4


def two_materials(path, order=("b", "a")):
    builder = GltfBuilder()
    builder.scene["materials"] = [{"name": "red"}, {"name": "blue"}]
    for number, name in enumerate(order):
        parts = []
        for material, rows in enumerate((INDICES[:18], INDICES[18:])):
            part = cube_primitive(builder, material=material)
            part["indices"] = builder.accessor(rows)
            parts.append(part)
        builder.node(mesh=builder.mesh(*parts), name=name, translation=[3.0 * number, 0, 0])
    return builder.write_glb(path)


def test_a_node_is_one_part_whatever_its_materials_in_the_files_order(tmp_path):
    nodes = read_file(two_materials(tmp_path / "a.glb")).nodes
    assert [node.name for node in nodes] == ["b", "a"]
    for node in nodes:
        assert len(node.faces) == 12 and [surface.name for surface in node.surfaces] == ["red", "blue"]
        assert node.surface.tolist() == [0] * 6 + [1] * 6
    mesh = nodes[0].placed()
    assert len(mesh.vertices) == 8 and mesh.volume == pytest.approx(1)


def test_draco_is_read(tmp_path):
    builder = GltfBuilder()
    part = cube_primitive(builder)
    packed = DracoPy.encode(POSITIONS, INDICES.reshape(-1, 3).astype(np.uint32), quantization_bits=16,
                            tex_coord=UVS.astype(np.float64))
    ids = {item["attribute_type"]: item["unique_id"] for item in DracoPy.decode(packed).attributes}
    part["extensions"] = {"KHR_draco_mesh_compression": {
        "bufferView": builder.view(packed), "attributes": {"POSITION": ids[0], "TEXCOORD_0": ids[3]}}}
    del part["attributes"]["NORMAL"]
    for index in (*part["attributes"].values(), part["indices"]):
        del builder.scene["accessors"][index]["bufferView"]
    builder.scene["extensionsUsed"] = builder.scene["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    builder.node(mesh=builder.mesh(part))
    path = builder.write_glb(tmp_path / "a.glb")
    (node,) = read_file(path).nodes
    assert area(path) == pytest.approx(6, rel=1e-3) and node.uvs.max() == pytest.approx(0.98, abs=1e-3)


def test_the_base_colors_own_uvs_and_their_transform(tmp_path):
    builder = GltfBuilder()
    part = cube_primitive(builder, material=0)
    part["attributes"]["TEXCOORD_1"] = builder.accessor((UVS * 0.5).astype("f4"))
    image = io.BytesIO()
    Image.new("RGB", (2, 2), (255, 255, 255)).save(image, "PNG")
    builder.scene["images"] = [{"bufferView": builder.view(image.getvalue()), "mimeType": "image/png"}]
    builder.scene["textures"] = [{"source": 0}]
    moved = {"KHR_texture_transform": {"offset": [0.25, 0.5], "scale": [0.5, 0.25], "rotation": np.pi / 2}}
    builder.scene["materials"] = [{"name": "m", "pbrMetallicRoughness": {
        "baseColorTexture": {"index": 0, "texCoord": 1, "extensions": moved}, "baseColorFactor": [0.5, 1, 0, 1]}}]
    builder.node(mesh=builder.mesh(part))
    (node,) = read_file(builder.write_glb(tmp_path / "a.glb")).nodes
    (surface,) = node.surfaces
    down = UVS[INDICES[0]] * 0.5
    assert np.allclose(node.uvs[0, 0], (down[0], 1 - down[1]))
    u, v = surface.image_uvs(node.uvs[0, 0])
    assert np.allclose((u, 1 - v), (0.25 + 0.25 * down[1], 0.5 - 0.5 * down[0]), atol=1e-6)
    assert surface.base_color()[0, 0].tolist() == [188, 255, 0]


@pytest.mark.parametrize("change", [lambda scene: scene.pop("scene"), lambda scene: (scene.pop("scene"),
                                                                                   scene.pop("scenes"))])
def test_files_without_a_default_scene(tmp_path, change):
    builder = GltfBuilder()
    child = builder.node(False, mesh=builder.mesh(cube_primitive(builder)), translation=[0, 0, 5])
    builder.node(children=[child], translation=[1, 0, 0])
    change(builder.scene)
    assert bounds(builder.write_glb(tmp_path / "a.glb")) == [[1, -6, 0], [2, -5, 1]]


def test_what_is_left_out_is_named(tmp_path):
    builder = GltfBuilder()
    line = {"attributes": {"POSITION": builder.accessor(SQUARE)}, "mode": 1}
    builder.node(mesh=builder.mesh(cube_primitive(builder), line), name="cube")
    builder.node(False, mesh=0, name="spare")
    found = read_file(builder.write_glb(tmp_path / "a.glb"))
    assert len(found.nodes) == 1 and "points or lines" in found.remarks[0] and "spare" in found.remarks[1]


@pytest.mark.parametrize(("change", "words"), [
    (lambda scene: scene.update(extensionsRequired=["ACME_shape"]), "demands the glTF extension ACME_shape"),
    (lambda scene: scene["asset"].update(version="1.0"), "glTF 1.0; glTF 2 is read"),
    (lambda scene: scene["bufferViews"][0].update(buffer=1, extensions={"EXT_meshopt_compression": {"buffer": 0}})
     or scene["buffers"].append({"byteLength": 9}), "compressed with meshopt"),
    (lambda scene: scene["nodes"][0].update(children=[0]), "its own parent"),
    (lambda scene: scene["nodes"][0].update(mesh=7), "meshes[7]"),
    (lambda scene: scene["accessors"][0].update(count=1000), "reaches beyond its buffer"),
    (lambda scene: scene["accessors"][0].update(componentType=5130), "unknown form"),
    (lambda scene: scene["accessors"][0].update(count=1 << 40) or scene["accessors"][0].pop("bufferView"), "no data"),
    (lambda scene: scene["meshes"][0].pop("primitives"), "not as glTF demands"),
], ids=["extension", "version", "meshopt", "cycle", "mesh", "cut", "form", "zeros", "primitives"])
def test_a_file_that_cannot_be_read_is_refused_as_what_it_is(tmp_path, change, words):
    builder = GltfBuilder()
    builder.node(mesh=builder.mesh(cube_primitive(builder)))
    (tmp_path / "a.bin").write_bytes(builder.binary)
    builder.scene["buffers"] = []
    builder.write_gltf(tmp_path / "a.gltf", "a.bin")
    change(builder.scene)
    (tmp_path / "a.gltf").write_text(json.dumps(builder.scene))
    with pytest.raises(BadInput) as error:
        read_file(tmp_path / "a.gltf")
    assert words in str(error.value), error.value
    assert error.value.report.advice
