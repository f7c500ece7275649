# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files in and out in Blender's frame."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from backend.contract import BadInput, MeshData
from backend.geometry.joining import joined
from backend.geometry.mesh_files import MeshNode, NamedMesh, read_file, read_parts, write_parts
from backend.geometry.trimesh_conversion import from_trimesh, to_trimesh
from tests.painting.boxes import painted_box


def box(shift, size=(1.0, 2.0, 3.0)) -> MeshData:
    return from_trimesh(trimesh.creation.box(size).apply_translation(shift))


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "stl"])
def test_what_was_written_is_read_again_in_place(tmp_path, suffix):
    parts = [NamedMesh("chair.part.01", box((5, 0, 0)), (1.0, 0.5, 0.0)), NamedMesh("chair.part.02", box((0, 7, 0)))]
    path = tmp_path / f"chair.{suffix}"
    write_parts(path, parts)
    found = read_parts(path)
    if suffix in ("glb", "obj"):
        assert [part.name for part in found] == ["chair.part.01", "chair.part.02"]
        assert np.allclose(found[1].mesh.bounds, parts[1].mesh.bounds, atol=1e-6)
    whole = joined([part.mesh for part in found])
    assert np.allclose(whole.bounds, joined([part.mesh for part in parts]).bounds, atol=1e-6)
    assert len(whole.faces) == 24
    assert whole.volume == pytest.approx(12, rel=1e-5), "nothing is mirrored"


def test_up_is_y_in_a_glb_file(tmp_path):
    write_parts(tmp_path / "a.glb", [NamedMesh("a", box((0, 0, 10)))])
    assert np.allclose(trimesh.load_scene(tmp_path / "a.glb").bounds.mean(axis=0), [0, 10, 0])
    write_parts(tmp_path / "b.glb", [NamedMesh("b", box((0, -10, 0)))])  # toward Blender's front
    assert np.allclose(trimesh.load_scene(tmp_path / "b.glb").bounds.mean(axis=0), [0, 0, 10])


def test_a_color_is_linear_in_glb_and_plain_in_ply(tmp_path):
    part = NamedMesh("a", box((0, 0, 0)), (0.5, 0.5, 0.5))
    write_parts(tmp_path / "a.glb", [part])
    material = trimesh.load_scene(tmp_path / "a.glb").geometry["a"].visual.material
    assert material.baseColorFactor[0] == pytest.approx(0.214 * 255, abs=1)
    write_parts(tmp_path / "a.ply", [part])
    assert tuple(trimesh.load(tmp_path / "a.ply").visual.face_colors[0]) == (128, 128, 128, 255)


def test_every_instance_of_a_geometry_is_a_part_with_its_transform(tmp_path):
    scene = trimesh.Scene()
    for number in range(3):
        matrix = trimesh.transformations.translation_matrix([number * 5, 0, 0])
        scene.add_geometry(trimesh.creation.box(), geom_name="wheel", node_name=f"wheel{number}", transform=matrix)
    mirrored = np.diag([-2.0, 1, 1, 1])
    mirrored[0, 3] = -10
    scene.add_geometry(trimesh.creation.box(), geom_name="mirrored", node_name="x", transform=mirrored)
    scene.export(tmp_path / "car.glb")
    parts = read_parts(tmp_path / "car.glb")
    assert [round(float(part.mesh.bounds[:, 0].mean())) for part in parts] == [0, 5, 10, -10]
    assert [round(part.mesh.volume) for part in parts] == [1, 1, 1, 2], "a mirrored part is not inside out"


def test_files_without_a_mesh(tmp_path):
    (tmp_path / "a.glb").write_bytes(b"no mesh at all")
    (tmp_path / "b.obj").write_text("v 0 0 0\n")
    (tmp_path / "c.txt").write_text("")
    for name in ("a.glb", "b.obj", "c.txt", "absent.stl"):
        with pytest.raises(BadInput) as error:
            read_parts(tmp_path / name)
        assert name in str(error.value)
        assert error.value.report.advice


SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 2 0\n"
HEADER = """ply
format {} 1.0
element vertex 5
property float x
property float y
property float z
element face {}
property list uchar int vertex_indices
end_header
"""
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 2, 0]], "<f4")


def area(path) -> float:
    return float(sum(np.linalg.norm(part.mesh.area_vectors(), axis=1).sum() for part in read_parts(path)))


@pytest.mark.parametrize(("faces", "wanted"), [
    ("f 1 2 3 4\n", 1.0), ("f 1 2 3 5 4\n", 1.5), ("f 1 2 3\nf 1 2 3 4\n", 1.5), ("f 1 2 \\\n3\n", 0.5),
    ("vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1 4/1/1\n", 1.0), ("vn 0 0 1\nf 1//1 2//1 3//1 4//1\n", 1.0),
    ("f -5 -4 -3 -2\n", 1.0), ("vt 0 0\nvn 0 0 1\nf -5/-1/-1 2/1/1 -3/1/-1\n", 0.5),
    ("mtllib gone.mtl\nusemtl gone\nf 1 2 3\n", 0.5), ("l 1 2\nf 1 2 3\n", 0.5), ("# caf\u00e9\nf 1 2 3\n", 0.5),
])
def test_obj_faces_of_every_kind(tmp_path, faces, wanted):
    (tmp_path / "a.obj").write_bytes((SQUARE + faces).encode("latin-1"))
    assert area(tmp_path / "a.obj") == pytest.approx(wanted)


def test_a_negative_index_counts_back_from_where_it_stands(tmp_path):
    near, far = "v 0 0 0\nv 1 0 0\nv 1 1 0\nf -3 -2 -1\n", "v 5 0 0\nv 6 0 0\nv 6 1 0\nf -3 -2 -1\n"
    (tmp_path / "a.obj").write_text(f"o a\n{near}o b\n{far}")
    assert [part.mesh.bounds[:, 0].tolist() for part in read_parts(tmp_path / "a.obj")] == [[0, 1], [5, 6]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_binary_ply_with_triangles_quads_and_ngons(tmp_path, order):
    """As Blender writes it."""
    form = "binary_little_endian" if order == "<" else "binary_big_endian"
    faces = [(0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 4, 3), (0, 2, 4)]
    content = HEADER.format(form, len(faces)).encode() + CORNERS.astype(order + "f4").tobytes()
    content += b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) for face in faces)
    (tmp_path / "a.ply").write_bytes(content)
    assert area(tmp_path / "a.ply") == pytest.approx(0.5 + 1.0 + 1.5 + 0.0)
    assert len(read_parts(tmp_path / "a.ply")[0].mesh.faces) == 7
    (tmp_path / "a.ply").write_bytes(content[:-2])
    with pytest.raises(BadInput, match="cut off"):
        read_parts(tmp_path / "a.ply")


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
@pytest.mark.parametrize("kind", ["ply", "stl"])
def test_both_encodings_of_ply_and_stl(tmp_path, kind, encoding):
    name = "stl_ascii" if (kind, encoding) == ("stl", "ascii") else kind
    options = {"encoding": encoding} if kind == "ply" else {}
    content = to_trimesh(box((0, 0, 0))).export(file_type=name, **options)
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / f"a.{kind}").write_bytes(content)
    assert area(tmp_path / f"a.{kind}") == pytest.approx(22)
    (tmp_path / f"a.{kind}").write_bytes(content[:-70])
    with pytest.raises(BadInput, match="cut off"):
        read_parts(tmp_path / f"a.{kind}")


@pytest.mark.parametrize("left", [10, 30, 200, -100, -4])
def test_a_glb_that_is_cut_off(tmp_path, left):
    content = to_trimesh(box((0, 0, 0))).export(file_type="glb")
    (tmp_path / "a.glb").write_bytes(content[:left])
    with pytest.raises(BadInput, match=r"a\.glb cannot be read"):
        read_parts(tmp_path / "a.glb")


@pytest.mark.parametrize("suffix", ["glb", "gltf", "obj", "ply", "stl"])
@pytest.mark.parametrize("content", ["", "Dear reader,\nthis is a letter.\n"])
def test_empty_files_and_letters(tmp_path, suffix, content):
    (tmp_path / f"a.{suffix}").write_text(content)
    words = "cannot be read|holds no mesh" if content else "is empty"
    with pytest.raises(BadInput, match=f"a.{suffix} ({words})"):
        read_parts(tmp_path / f"a.{suffix}")


MISSING_BUFFER = json.dumps({
    "asset": {"version": "2.0"}, "buffers": [{"uri": "gone%20file.bin", "byteLength": 9}], "nodes": [{"mesh": 0}],
    "bufferViews": [{"buffer": 0, "byteLength": 9}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
})


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.obj", SQUARE + "f 1 2 99\n", "cannot be read"), ("a.obj", SQUARE + "f 0 1 2\n", "index 0"),
    ("a.obj", SQUARE + "f -6 -1 -2\n", "index -6 after 5 vertices"),
    ("a.obj", "v nan 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "invalid vertex positions"),
    ("a.obj", "v 1e300 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "infinite"), ("a.obj", SQUARE + "l 1 2\n", "no triangles"),
    ("a.ply", HEADER.format("ascii", 1) + "0 0 0\n1 0 0\n1 1 0\n0 1 0\n2 2 0\n3 0 1 9\n", "does not hold"),
    ("a.gltf", MISSING_BUFFER, "refers to gone file.bin, which is not next to it"),
])
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=words):
        read_parts(tmp_path / name)


def dressed_box() -> MeshData:
    """A box with a UV layout whose faces lie apart, a color for each vertex, and a texture."""
    bare = painted_box()
    colors = np.column_stack([np.linspace(0.1, 0.9, len(bare.vertices))[:, None].repeat(3, 1), np.ones(24)])
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return replace(bare, colors=colors, texture=texture)


def corners_of(mesh: MeshData) -> np.ndarray:
    """Position and UV of every corner, sorted: what stays, in whatever order a file keeps faces."""
    rows = np.concatenate([mesh.corners(), mesh.uvs], axis=2).reshape(-1, 5).round(4)
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_uvs_stay_at_their_corners_and_seams_are_closed(tmp_path, suffix):
    given = dressed_box()
    write_parts(tmp_path / f"box.{suffix}", [NamedMesh("box", given)])
    (found,) = read_parts(tmp_path / f"box.{suffix}")
    assert np.allclose(corners_of(found.mesh), corners_of(given), atol=1e-3)
    assert len(found.mesh.vertices) == 8, "equal positions are one vertex, whatever their UVs"


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply"])
def test_vertex_colors_come_back_as_srgb(tmp_path, suffix):
    ball = from_trimesh(trimesh.creation.icosphere(1))
    shade = (ball.vertices + 1) / 2
    given = replace(ball, colors=np.column_stack([shade, np.ones(len(shade))]))
    write_parts(tmp_path / f"ball.{suffix}", [NamedMesh("ball", given)])
    (found,) = read_parts(tmp_path / f"ball.{suffix}")
    expected = (found.mesh.vertices + 1) / 2
    assert np.abs(found.mesh.colors[:, :3] - expected).max() < (0.04 if suffix == "glb" else 0.01)
    assert (found.mesh.colors[:, 3] == 1).all()


def test_a_color_is_linear_in_a_glb_file(tmp_path):
    gray = replace(box((0, 0, 0)), colors=np.tile([0.5, 0.5, 0.5, 1.0], (8, 1)))
    write_parts(tmp_path / "a.glb", [NamedMesh("a", gray)])
    stored = trimesh.load_scene(tmp_path / "a.glb").geometry["a"].visual.vertex_colors[0]
    assert stored.tolist() == [55, 55, 55, 255]


def test_the_texture_travels_in_a_glb_file(tmp_path):
    given = dressed_box()
    write_parts(tmp_path / "box.glb", [NamedMesh("box", given)])
    (node,) = read_file(tmp_path / "box.glb").nodes
    assert np.array_equal(node.surfaces[0].base_color(), given.texture)
    assert node.placed().colors is not None, "colors and texture do not exclude each other"


def test_merged_vertices_have_the_mean_color():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    colors = np.array([[[0, 0, 0, 1.0]] * 3, [[1, 0.2, 0, 1.0]] * 3])
    mesh = MeshNode("two", vertices, np.arange(6).reshape(2, 3), np.eye(4), colors=colors).placed()
    at_origin = mesh.colors[np.abs(mesh.vertices).sum(axis=1) == 0]
    assert np.allclose(at_origin, [[0.5, 0.1, 0, 1]])
