# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture jobs in a real worker's process, with tiny random weights."""

import numpy as np
import pytest
from PIL import Image

from backend.contract import CancelledEvent, Done, JobFolder, Loading, Preview, Request, StageProgress
from tests.flexisyncmvd.checkpoint_forms import write_set
from tests.painting.boxes import painted_box
from tests.worker.conftest import Child, events_of

FAST = {"steps": 5, "latent_view_size": "32", "texture_size": "512", "views": 4, "top_cameras": False,
        "guidance_scale": 2.0, "log_interval": 2}


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    weights = write_set(tmp_path_factory.mktemp("weights") / "set", "sdxl")
    child = Child(tmp_path_factory.mktemp("models"), weights, "tests.flexisyncmvd.worker_child")
    yield child
    child.end()


def texture_job(path, **options) -> JobFolder:
    folder = JobFolder.create(path)
    painted_box().write(folder.inputs / "mesh.001.npz")
    folder.write_request(Request(path.name, "texture", "flexisyncmvd", "tiny", "thing", 3,
                                 FAST | {"prompt": "a red chair"} | options, {"mesh": ("mesh.001.npz",)}))
    return folder


def test_a_job_is_done_and_a_cancelled_one_ends_within_a_second(child, tmp_path):
    folder = texture_job(tmp_path / "whole")
    events = child.run(folder)
    assert isinstance(events[-1], Done), events[-1]
    artifact = events[-1].result.artifacts[0]
    assert (artifact.role, artifact.target) == ("base_color", "mesh.001.npz")
    assert np.asarray(Image.open(folder.outputs / artifact.file)).shape == (512, 512, 3)
    assert {event.file for event in events_of(events, Preview)} == {"views.png"}
    job = child.submit(texture_job(tmp_path / "long", steps=100))
    seen = child.until(lambda event: isinstance(event, StageProgress) and event.stage == "sample" and event.step, job)
    assert not events_of(seen, Loading)  # the model was kept
    seconds, event = child.cancel_and_time(job)
    assert isinstance(event, CancelledEvent)
    assert seconds < 1
