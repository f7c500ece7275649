# SPDX-License-Identifier: GPL-3.0-or-later
"""The one mesh file: everything that a mesh carries comes back, and nothing half written is seen."""

import numpy as np
import pytest

from backend.contract import MeshData, MeshwrightError

TETRAHEDRON = MeshData(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
    uvs=np.linspace(0, 1, 24), colors=np.linspace(0, 1, 16), selection=[True, False, True, True],
    texture=np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
)


def test_all_arrays_come_back_in_their_types(tmp_path):
    TETRAHEDRON.write(tmp_path / "mesh.npz")
    read = MeshData.read(tmp_path / "mesh.npz")
    for name, dtype in (("vertices", np.float32), ("faces", np.int32), ("uvs", np.float32), ("colors", np.float32),
                        ("selection", np.bool_), ("texture", np.uint8)):
        assert getattr(read, name).dtype == dtype
        np.testing.assert_array_equal(getattr(read, name), getattr(TETRAHEDRON, name))
    assert read.uvs.shape == (4, 3, 2) and read.colors.shape == (4, 4)


def test_what_a_mesh_does_not_carry_stays_absent(tmp_path):
    MeshData(TETRAHEDRON.vertices, TETRAHEDRON.faces).write(tmp_path / "mesh.npz")
    read = MeshData.read(tmp_path / "mesh.npz")
    assert read.uvs is read.colors is read.selection is read.texture is None


def test_volume_and_bounds():
    assert TETRAHEDRON.volume == pytest.approx(1 / 6)
    np.testing.assert_array_equal(TETRAHEDRON.bounds, [[0, 0, 0], [1, 1, 1]])
    assert MeshData.empty().is_empty and not MeshData.empty().bounds.any()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"not a mesh"])
def test_a_damaged_file_is_an_error_in_words(tmp_path, content):
    (tmp_path / "mesh.npz").write_bytes(content)
    with pytest.raises(MeshwrightError, match=r"mesh\.npz cannot be read"):
        MeshData.read(tmp_path / "mesh.npz")


def test_a_file_without_faces_is_an_error_in_words(tmp_path):
    np.savez(tmp_path / "mesh.npz", vertices=TETRAHEDRON.vertices)
    with pytest.raises(MeshwrightError, match="cannot be read"):
        MeshData.read(tmp_path / "mesh.npz")


def test_no_draft_is_left_where_a_folder_takes_nothing(tmp_path):
    with pytest.raises(MeshwrightError, match="cannot be written"):
        TETRAHEDRON.write(tmp_path / "missing" / "mesh.npz")
    assert not list(tmp_path.iterdir())
