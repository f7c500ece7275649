# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with UVs travels as it is; a damaged file is told of."""

from pathlib import Path

import numpy as np
import pytest

from backend.contract import MeshwrightError, PaintedMesh


def test_arrays_come_back(tmp_path: Path) -> None:
    mesh = PaintedMesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32),
                       np.ones((1, 3, 2), np.float32), np.array([True]))
    mesh.write(tmp_path / "mesh.npz")
    read = PaintedMesh.read(tmp_path / "mesh.npz")
    for name in ("vertices", "faces", "uvs", "painted"):
        assert np.array_equal(getattr(read, name), getattr(mesh, name))
        assert getattr(read, name).dtype == getattr(mesh, name).dtype


def test_a_damaged_file_and_a_missing_folder_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "mesh.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(MeshwrightError, match="cannot be read"):
        PaintedMesh.read(tmp_path / "mesh.npz")
    empty = PaintedMesh(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 2)), np.zeros(0, bool))
    with pytest.raises(MeshwrightError, match="cannot be written"):
        empty.write(tmp_path / "none" / "mesh.npz")
