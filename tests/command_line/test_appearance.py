# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result looks like in a mesh file: material maps, colors of vertices, one color."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract import MeshData
from backend.geometry.mesh_files import NamedMesh, write_parts

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]])
UVS = CORNERS[FACES][..., :2] * 0.5
COLORS = np.array([[1, 0, 0, 1], [0.5, 0.5, 0.5, 1], [0, 0, 0, 0.5], [0, 1, 0, 1]], np.float32)


@pytest.fixture
def maps(tmp_path):
    for role, color in {"base_color": (200, 100, 50), "metallic": (255,) * 3, "normal": (128, 128, 255)}.items():
        Image.new("RGB", (4, 4), color).save(tmp_path / f"{role}.png")
    return {role: tmp_path / f"{role}.png" for role in ("base_color", "metallic", "normal")}


def read(path) -> trimesh.Trimesh:
    (mesh,) = trimesh.load_scene(path, process=False).geometry.values()
    return mesh


def test_an_object_of_its_own_has_its_uvs_and_all_maps_in_a_glb(tmp_path, maps):
    write_parts(tmp_path / "a.glb", [NamedMesh("a", MeshData(CORNERS, FACES, UVS, COLORS), None, maps)])
    written = read(tmp_path / "a.glb")
    assert np.allclose(written.visual.uv[written.faces], UVS, atol=1e-6)
    material = written.visual.material
    assert np.asarray(material.baseColorTexture)[0, 0].tolist()[:3] == [200, 100, 50]
    assert np.asarray(material.normalTexture)[0, 0].tolist()[:3] == [128, 128, 255]
    assert np.asarray(material.metallicRoughnessTexture)[0, 0].tolist()[:3] == [255, 255, 255]
    assert material.metallicFactor == 1 and material.roughnessFactor == pytest.approx(0.99)
    assert "color" not in written.visual.vertex_attributes, "they would be multiplied with the maps"


def test_seams_split_vertices_only_where_uvs_differ(tmp_path):
    apart = UVS.copy()
    apart[1] += 0.4
    for uvs, count in ((UVS, 4), (apart, 6)):
        write_parts(tmp_path / "a.obj", [NamedMesh("a", MeshData(CORNERS, FACES, uvs))])
        written = read(tmp_path / "a.obj")
        assert len(written.vertices) == count and np.allclose(written.visual.uv[written.faces], uvs, atol=1e-6)


def test_colors_of_vertices_are_linear_in_glb_and_srgb_in_ply(tmp_path):
    part = NamedMesh("a", MeshData(CORNERS, FACES, colors=COLORS), (0, 0, 1))
    for suffix, middle in ((".glb", 55), (".ply", 128)):
        write_parts(tmp_path / f"a{suffix}", [part])
        written = read(tmp_path / f"a{suffix}")
        expected = [[255, 0, 0, 255], [middle] * 3 + [255], [0, 0, 0, 128], [0, 255, 0, 255]]
        visual = written.visual
        colors = visual.vertex_attributes["color"] if hasattr(visual, "vertex_attributes") and \
            "color" in visual.vertex_attributes else visual.vertex_colors
        colors = np.asarray(colors) * (255 if np.asarray(colors).dtype.kind == "f" else 1)
        order = [int(np.argmin(np.abs(written.vertices - turned).sum(axis=1))) for turned in (
            CORNERS if suffix == ".ply" else CORNERS[:, [0, 2, 1]] * [1, 1, -1])]
        assert np.abs(colors[order].astype(int) - expected).max() <= 1
