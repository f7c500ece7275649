# SPDX-License-Identifier: GPL-3.0-or-later
"""A large mesh must not make Blender stand still."""

import time
from pathlib import Path

import bpy
import numpy as np

from backend.contract import Artifact, MeshData, Result

from .conftest import Extension
from .synthetic_jobs import finished_job

LIMIT = 2.5  # seconds
SIDE = 708


def wavy_sheet() -> tuple[np.ndarray, np.ndarray]:
    """(vertices, faces) of 999 698 triangles with smooth and sharp edges."""
    index = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack(corners, axis=-1).reshape(-1, 3) for corners in ((a, b, c), (a, c, d))])
    x, y = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
    return np.stack([x, y, np.abs(np.sin(20 * x)) * 0.1], axis=-1).reshape(-1, 3).astype(np.float32), faces


def test_a_million_faces_arrive_in_time(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                        record_property: object) -> None:
    folder = finished_job(tmp_path / "job-1")
    MeshData(*wavy_sheet()).write(folder.outputs / "large.npz")
    folder.write_result(Result((Artifact("large", "mesh", "large.npz", "mesh"),)))
    seconds = []
    for _ in range(2):  # the better of two, in this process alone: other programs may hold the processor
        begin = time.process_time()
        report = extension.module("deliver").deliver(folder)
        seconds.append(time.process_time() - begin)
        assert len(bpy.data.objects[report.objects[1]].data.polygons) == 999_698
    record_property("seconds", min(seconds))
    print(f"1 M faces: {', '.join(f'{value:.2f} s' for value in seconds)}")
    assert min(seconds) <= LIMIT
