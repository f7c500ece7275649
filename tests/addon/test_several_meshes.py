# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that takes one mesh is asked of each selected one."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.contract import MeshData

from .conftest import Extension
from .test_artists_day import select
from .test_deliver import cube
from .test_operators import desk

__all__ = ["desk"]


@pytest.fixture
def pieces(desk: Extension, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Three boxes; the second is the active one."""
    made = [cube(name, (0, 0, 0), (1, 1, size)) for size, name in enumerate(("arm", "leg", "back"), 1)]
    select(made[1], made[0], made[2])
    return made


def test_one_job_each_the_active_one_first(desk: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                           pieces: list[bpy.types.Object]) -> None:
    scene.meshwright.subject = "chair"
    scene.meshwright.keep_uvs, scene.meshwright.mesh_source = True, "BASE"
    assert bpy.ops.meshwright.silksong_remesh() == {"FINISHED"}
    jobs = desk.module("jobs").jobs()
    assert [job.request.subject for job in jobs] == ["leg", "arm", "back"], "one name for all would tell nothing"
    assert len({job.folder.path for job in jobs}) == 3 and len({job.request.seed for job in jobs}) == 1
    for job in jobs:
        target = desk.module("delivery_note").DeliveryNote.read(job.folder)
        assert [item.reference.name for item in target.targets] == [job.request.subject]
        assert target.transfer.uvs and target.transfer.materials and target.transfer.source == "BASE"
        vertices = MeshData.read(job.folder.inputs / job.request.inputs["mesh"][0]).vertices
        assert np.ptp(vertices, axis=0) == pytest.approx(bpy.data.objects[job.request.subject].dimensions, abs=1e-6)
        assert vertices.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6), "as it stands, around its own origin"


def test_a_name_is_for_one_object(desk: Extension, scene: bpy.types.Scene, pieces: list[bpy.types.Object]) -> None:
    scene.meshwright.subject = "chair"
    select(pieces[0])
    bpy.ops.meshwright.silksong_remesh()
    assert [job.request.subject for job in desk.module("jobs").jobs()] == ["chair"]


def test_one_bad_mesh_and_nothing_is_queued(desk: Extension, tmp_path: Path, pieces: list[bpy.types.Object]) -> None:
    pieces[2].data.clear_geometry()
    with pytest.raises(RuntimeError, match="back has no faces"):
        bpy.ops.meshwright.silksong_remesh()
    assert desk.module("jobs").jobs() == [] and list((tmp_path / "jobs").iterdir()) == []
