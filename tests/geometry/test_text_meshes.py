# SPDX-License-Identifier: GPL-3.0-or-later
"""OBJ, PLY and STL as programs and people write them."""

import struct

import numpy as np
import pytest
import trimesh

from backend.contract import BadInput, middle_if_far
from backend.geometry.mesh_files import NamedMesh, read_file, read_parts, write_parts
from backend.geometry.mesh_files.polygons import triangulated
from backend.geometry.trimesh_conversion import from_trimesh, to_trimesh

CUBE = ("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\n"
        "f 4 3 2 1\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\n")
NOTCH = [(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)]


def area(path) -> float:
    return float(sum(np.linalg.norm(part.mesh.area_vectors(), axis=1).sum() for part in read_parts(path)))


@pytest.mark.parametrize("content", [
    CUBE.replace("\n", " # a comment\n"), "\ufeff" + CUBE, CUBE.replace(" ", "\t"), CUBE.replace("\n", "\r\n"),
    CUBE.replace("f 4 3 2 1", "f 4 3 \\\n 2 1"), CUBE.replace("v 0 0 0", "  v   0 0 0 1.0"), CUBE.replace("\n", "\r"),
    "#\n\n# v 9 9 9\n" + CUBE + "#end", CUBE.replace("f 4 3 2 1", "f 4//1 3//1 2//1 1//1"),
    CUBE.replace("f 4 3 2 1", "g a b\ns off\nf 4/9/9 3/9/9 2/9/9 1/9/9\nl 1 2\np 1"),
], ids=["comments", "bom", "tabs", "crlf", "continued", "weights", "cr", "comment lines", "no normals", "no uvs"])
def test_a_cube_in_every_writing(tmp_path, content):
    (tmp_path / "a.obj").write_bytes(content.encode())
    (part,) = read_parts(tmp_path / "a.obj")
    assert len(part.mesh.faces) == 12 and len(part.mesh.vertices) == 8 and part.mesh.volume == pytest.approx(1)


def test_utf_16_is_read(tmp_path):
    (tmp_path / "a.obj").write_bytes(CUBE.encode("utf-16"))
    assert area(tmp_path / "a.obj") == pytest.approx(6)


def prism(first: int) -> tuple[np.ndarray, list[list[int]]]:
    """A closed prism over a notched pentagon; its ends begin with that corner."""
    count = len(NOTCH)
    vertices = np.array([(x, 0, y) for x, y in NOTCH] + [(x, 1, y) for x, y in NOTCH], np.float64)
    order = [(first + step) % count for step in range(count)]
    sides = [[i, i + count, (i + 1) % count + count, (i + 1) % count] for i in range(count)]
    return vertices, [order, [corner + count for corner in reversed(order)], *sides]


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("kind", ["obj", "ascii", "binary_little_endian", "binary_big_endian"])
def test_concave_polygons_stay_in_their_outline(tmp_path, kind, first):
    vertices, faces = prism(first)
    path = tmp_path / ("a.obj" if kind == "obj" else "a.ply")
    if kind == "obj":
        lines = ["v {} {} {}".format(*vertex) for vertex in vertices]
        lines += ["f " + " ".join(str(corner + 1) for corner in face) for face in faces]
        path.write_text("\n".join(lines))
    else:
        path.write_bytes(ply(kind, vertices, faces))
    (part,) = read_parts(path)
    assert area(path) == pytest.approx(39.211, abs=1e-3)
    assert abs(part.mesh.volume) == pytest.approx(10) and to_trimesh(part.mesh).is_watertight


def ply(kind: str, vertices: np.ndarray, faces: list[list[int]]) -> bytes:
    head = (f"ply\nformat {kind} 1.0\ncomment by hand\nelement vertex {len(vertices)}\nproperty double x\n"
            "property double y\nproperty double z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\n"
            f"element face {len(faces)}\nproperty uchar flags\nproperty list uchar int vertex_indices\nend_header\n")
    if kind == "ascii":
        rows = ["{} {} {} 255 0 51".format(*vertex) for vertex in vertices]
        rows += [f"7 {len(face)} " + " ".join(map(str, face)) for face in faces]
        return (head + "\n".join(rows) + "\n").encode()
    order = "<" if "little" in kind else ">"
    body = b"".join(struct.pack(order + "3d3B", *vertex, 255, 0, 51) for vertex in vertices)
    return head.encode() + body + b"".join(struct.pack(f"{order}BB{len(face)}i", 7, len(face), *face) for face in faces)


def test_ply_colors_of_text_are_those_of_binary(tmp_path):
    for kind in ("ascii", "binary_big_endian"):
        (tmp_path / "a.ply").write_bytes(ply(kind, *prism(0)))
        (part,) = read_parts(tmp_path / "a.ply")
        assert np.allclose(part.mesh.colors, [1, 0, 0.2, 1])


def test_points_on_a_line_of_a_concave_polygon_stay(tmp_path):
    """Their neighbors use them: without them the mesh would be open."""
    ring = np.array([(0, 0, 0), (2, 0, 0), (4, 0, 0), (4, 4, 0), (2, 1, 0), (0, 4, 0), (0, 2, 0)], np.float64)
    for turn in range(7):
        order = np.roll(np.arange(7), turn)
        triangles, owner = triangulated(ring, order, np.array([7]))
        found = ring[order[triangles]]
        areas = np.cross(found[:, 1] - found[:, 0], found[:, 2] - found[:, 0])[:, 2] / 2
        assert len(triangles) == 5 and (owner == 0).all() and areas.sum() == pytest.approx(10)
        assert (areas > -1e-9).all() and len(np.unique(triangles)) == 7


@pytest.mark.parametrize("name", ["s t", "u v", "texture_u texture_v"])
def test_ply_uvs(tmp_path, name):
    first, second = name.split()
    (tmp_path / "a.ply").write_text(
        f"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        f"property float {first}\nproperty float {second}\nelement face 1\nproperty list uchar int vertex_index\n"
        "end_header\n0 0 0 0 0\n1 0 0 1 0.25\n0 1 0 0.5 1\n3 0 1 2\n")
    (node,) = read_file(tmp_path / "a.ply").nodes
    assert node.uvs[0].tolist() == [[0, 0], [1, 0.25], [0.5, 1]]


def test_triangle_strips_of_ply(tmp_path):
    (tmp_path / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
        "0 0 0\n1 0 0\n0 1 0\n1 1 0\n5 0 1 2 3 -1\n")
    assert area(tmp_path / "a.ply") == pytest.approx(1)


def test_damaged_normals_cost_no_mesh(tmp_path):
    text = CUBE.replace("f 4 3 2 1", "vn 0 1.#QNAN 0\nf 4//1 3//1 2//1 1//1")
    (tmp_path / "a.obj").write_text(text)
    found = read_file(tmp_path / "a.obj")
    assert len(found.nodes[0].faces) == 12 and "A normal of it was not read" in found.remarks[0]


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.obj", b"\x7fELF\0\0\0", "holds binary data"), ("a.obj", b"v 0 0\nf 1 1 1\n", "vertex 1 is '0 0'"),
    ("a.obj", CUBE.encode() + b"f 1 two 3\n", "'two' is no corner"),
    ("a.obj", b"cstype bezier\nv 0 0 0\nsurf 0 1 0 1 1\n", "free-form"), ("a.stl", b"hello " * 30, "no STL file"),
    ("a.stl", b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n", "cut off"),
    ("a.ply", b"ply\nformat ascii 2.x\nelement vertex many\nend_header\n", "not understood: 'element vertex many'"),
])
def test_what_cannot_be_read_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_file(tmp_path / name)


def test_a_binary_stl_may_begin_with_solid(tmp_path):
    triangle = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    (tmp_path / "a.stl").write_bytes(b"solid made by a program".ljust(80) + struct.pack("<I", 1) + triangle)
    assert area(tmp_path / "a.stl") == pytest.approx(0.5)


FAR = np.array([500_000.0, 4_600_000.0, 120.0])


@pytest.mark.parametrize("suffix", ["obj", "glb"])
def test_shapes_far_from_the_origin_stay_and_go_back(tmp_path, suffix):
    ball = from_trimesh(trimesh.creation.icosphere(2, radius=0.4))
    write_parts(tmp_path / f"a.{suffix}", [NamedMesh("ball", ball, origin=tuple(FAR))])
    (part,) = read_parts(tmp_path / f"a.{suffix}")
    assert np.allclose(part.origin, FAR, atol=1)
    assert np.allclose(np.ptp(part.mesh.vertices, axis=0), np.ptp(ball.vertices, axis=0), atol=1e-6)
    write_parts(tmp_path / f"b.{suffix}", [part])
    (node,) = read_file(tmp_path / f"b.{suffix}").nodes
    assert np.allclose(node.bounds().mean(axis=0), FAR, atol=1e-6)


def test_near_the_origin_nothing_is_moved():
    assert not middle_if_far(np.array([[50.0, 0, 0], [51.0, 1, 1]])).any()
    assert middle_if_far(np.array([[500.0, 0, 0], [501.0, 1, 1]])).tolist() == [500, 0, 0]
