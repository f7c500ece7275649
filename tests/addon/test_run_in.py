# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend computes: in a process of its own or, for scripts, in Blender's own Python."""

from collections.abc import Mapping
from pathlib import Path

import bpy
import pytest

from .conftest import Extension
from .test_operators import desk, only_job, refusal

REPOSITORY = Path(__file__).parents[2]
WAIT = 300.0
__all__ = ["desk"]


def artifacts(desk: Extension) -> Mapping[str, bytes]:
    """Generate the chair's parts with the starter weights as fast as possible; every file of the result by name."""
    assert bpy.ops.meshwright.partpacker_generate_parts() == {"FINISHED"}
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    return {path.name: path.read_bytes() for path in job.folder.outputs.glob("*.npz")}


@pytest.fixture
def chair(scene: bpy.types.Scene, desk: Extension) -> bpy.types.Scene:
    """The scene with the example image and few steps on a coarse grid."""
    settings = scene.meshwright
    settings.images.image = bpy.data.images.load(str(REPOSITORY / "examples" / "chair.png"))
    settings.seed = 3
    settings.partpacker_generate_parts.steps, settings.partpacker_generate_parts.grid_resolution = 4, "64"
    return scene


@pytest.mark.timeout(600)
def test_both_ways_give_the_same_bytes(desk: Extension, chair: bpy.types.Scene,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    # OMP_NUM_THREADS, set in conftest.py for this process, is the child's too: sums depend on the number of threads.
    outside = artifacts(desk)
    monkeypatch.delenv("MESHWRIGHT_PYTHON")
    monkeypatch.setenv("MESHWRIGHT_IN_PROCESS", "1")
    inside = artifacts(desk)
    assert len(outside) >= 2 and inside == outside
    monkeypatch.delenv("MESHWRIGHT_IN_PROCESS")
    desk.preferences.run_in = "BLENDER"
    try:
        chair.meshwright.seed = 4
        assert artifacts(desk) != outside, "another seed makes other bytes"
    finally:
        desk.preferences.property_unset("run_in")


def test_without_torch_the_button_says_so(desk: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    preferences = desk.module("preferences")
    monkeypatch.setenv("MESHWRIGHT_IN_PROCESS", "1")
    assert bpy.ops.meshwright.partpacker_generate_parts.poll()
    monkeypatch.setattr(preferences, "in_process_complaint", lambda: "Blender's own Python has no torch")
    assert "has no torch" in refusal("partpacker_generate_parts")
    assert preferences.worker_settings() is None
    monkeypatch.setenv("MESHWRIGHT_IN_PROCESS", "0")
    assert preferences.worker_settings().in_process is False


def test_compiled_networks_are_asked_for(desk: Extension) -> None:
    preferences = desk.module("preferences")
    assert preferences.worker_settings().compile is False
    desk.preferences.compile_networks = True
    assert preferences.worker_settings().compile is True
    desk.preferences.property_unset("compile_networks")
