# SPDX-License-Identifier: GPL-3.0-or-later
"""The starter weights at work: a held-out object is painted in the asked color, the same from all sides."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.contract import JobFolder, MeshData, Request, Resources
from backend.pipelines.flexisyncmvd.checkpoint.pipeline import CheckpointPipelines
from backend.pipelines.flexisyncmvd.job import load, run
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import SyncSchedule
from backend.pipelines.flexisyncmvd.spec import SPEC
from backend.pipelines.flexisyncmvd.training.metrics import (
    Case,
    ViewsByThemselves,
    color_share,
    difference_between_views,
    starter_settings,
    texture,
)
from backend.pipelines.flexisyncmvd.training.procedural_meshes import scene_of, unwrapped_object
from backend.pipelines.flexisyncmvd.training.textured_meshes import FILL
from backend.procedural.dataset import Split
from backend.weights.location import locate

from .test_job import Watcher

STARTER = SPEC.weight_set("starter")
FOLDER = locate(SPEC, STARTER, Path("models"))
SECONDS = 90
"""Of a processor, in all: what else runs on the machine does not count."""


@pytest.fixture(scope="module")
def model() -> CheckpointPipelines:
    return load(STARTER, FOLDER, Resources(), Watcher())


@pytest.fixture(scope="module")
def chair() -> MeshData:
    return unwrapped_object(Split.HELD_OUT, "chair", 5, grid=32)


def test_they_are_small_and_what_a_fresh_install_takes() -> None:
    assert SPEC.weights[0] is STARTER
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 10e6


def test_a_held_out_chair_becomes_red_through_the_job(
    model: CheckpointPipelines, chair: MeshData, tmp_path: Path
) -> None:
    folder = JobFolder.create(tmp_path / "job")
    chair.write(folder.inputs / "mesh.npz")
    options = {**STARTER.parameter_defaults, "prompt": "a red wooden chair"}
    request = Request("job", "texture", SPEC.name, STARTER.name, "chair", 0, options, {"mesh": ("mesh.npz",)})
    watcher, began = Watcher(), time.process_time()
    result = run(model, request.validated(SPEC), folder, Resources(), watcher)
    assert time.process_time() - began < SECONDS
    pixels = np.asarray(Image.open(folder.outputs / result.artifacts[0].file))
    painted = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255.0
    scene = scene_of(chair, CameraRig(), FILL, "cpu")
    assert color_share(painted, scene, "red") > 0.8
    assert color_share(painted, scene, "blue") < 0.05
    assert not watcher.remarks


def test_views_agree_better_than_painted_alone(model: CheckpointPipelines, chair: MeshData) -> None:
    options = {"latent_view_size": "24", "steps": 8}  # the smaller choice, to be fast
    pipeline, settings = model.pipeline(controls=["depth"]), starter_settings("cpu", options)
    scene, case = scene_of(chair, CameraRig(), FILL, "cpu"), Case("orange", "a orange metal chair", chair)
    together, _ = texture(pipeline, scene, case, settings, seed=1)
    by_itself = replace(settings, schedule=SyncSchedule(sync_end=0.0, reference_end=0.0))
    alone, _ = texture(pipeline, replace(scene, rig=ViewsByThemselves()), case, by_itself, seed=1)
    assert difference_between_views(together.views, scene) < 0.8 * difference_between_views(alone.views, scene)
