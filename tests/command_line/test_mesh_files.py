# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files in and out in Blender's frame."""

import numpy as np
import pytest
import trimesh

from backend.contract import BadInput
from backend.geometry.mesh import TriangleMesh
from backend.geometry.mesh_files import NamedMesh, joined, read_parts, write_parts


def box(shift, size=(1.0, 2.0, 3.0)) -> TriangleMesh:
    return TriangleMesh.from_trimesh(trimesh.creation.box(size).apply_translation(shift))


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
    write_parts(tmp_path / "b.glb", [NamedMesh("b", box((0, -10, 0)))])  # towards Blender's front
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
