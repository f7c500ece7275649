# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline from a folder of the artist's own in the worker: in this process and in a child, byte for byte alike."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.contract import Done, Failed, JobFolder, Loading, MeshData, Remedy, Request
from backend.pipelines import registry
from backend.worker import Settings
from tests.worker.conftest import REPOSITORY, Child, Local, events_of

FOREIGN = REPOSITORY / "tests" / "foreign_pipelines"
TRIANGLES = MeshData(np.eye(3), [[0, 1, 2]], uvs=np.eye(3)[None, :, :2])


@pytest.fixture
def pottery(tmp_path):
    """A worker in this process that knows the folder."""
    registry.use_folder(FOREIGN)
    yield Local(Settings(tmp_path / "models", "cpu"))
    registry.use_folder(None)


@pytest.fixture
def job(tmp_path):
    """Writes job folders of the foreign pipeline; inputs are meshes or gray levels of images."""
    count = iter(range(100))

    def make(task: str, weights: str = "plain", parameters=None, **inputs) -> JobFolder:
        name = f"pot-{next(count)}"
        folder = JobFolder.create(tmp_path / name)
        files = {}
        for slot, content in inputs.items():
            files[slot] = (f"{slot}.npz" if isinstance(content, MeshData) else f"{slot}.png",)
            if isinstance(content, MeshData):
                content.write(folder.inputs / files[slot][0])
            else:
                Image.new("L", (8, 8), content).save(folder.inputs / files[slot][0])
        folder.write_request(Request(name, task, "pottery", weights, "pot", 3, parameters or {}, files))
        return folder

    return make


JOBS = [
    ("throw", {"prompt": "blue"}, {}), ("throw", {}, {"front": 20}), ("shards", {}, {"image": 1, "cracks": 2}),
    ("remesh", {}, {"mesh": TRIANGLES}), ("shelve", {}, {"meshes": TRIANGLES}),
    ("glaze", {"prompt": "red"}, {"mesh": TRIANGLES, "color": 9}), ("appraise", {}, {"mesh": TRIANGLES}),
]


def test_every_task_in_this_process_and_in_a_child(pottery, job, tmp_path, monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, str(FOREIGN))
    (tmp_path / "models").mkdir()
    child = Child(tmp_path / "models", FOREIGN, "tests.worker.plain_child")
    try:
        for task, parameters, inputs in JOBS:
            inside, outside = (job(task, "plain", parameters, **inputs) for _ in range(2))
            ended = pottery.run(inside)[-1]
            assert isinstance(ended, Done), ended
            assert isinstance(child.run(outside)[-1], Done)
            names = sorted(path.name for path in inside.outputs.iterdir())
            assert names and names == sorted(path.name for path in outside.outputs.iterdir())
            assert {artifact.file for artifact in ended.result.artifacts} == set(names)
            for name in names:
                assert (inside.outputs / name).read_bytes() == (outside.outputs / name).read_bytes()
    finally:
        child.end()


@pytest.mark.parametrize(("task", "weights", "parameters", "inputs", "words"), [
    ("throw", "plain", {}, {}, "Throw Pot needs a prompt or front view."),
    ("throw", "plain", {"prompt": "x"}, {"back": 1}, "Plain takes no back view."),
    ("throw", "glazed", {"prompt": "x"}, {}, "Front View is missing."),
    ("shards", "plain", {}, {"image": 1}, "Cracks is missing."),
    ("throw", "plain", {"prompt": "x", "glow": 1}, {}, "has no option 'glow'"),
    ("throw", "plain", {"prompt": "x"}, {"side": 1}, "has no input 'side'"),
])
def test_the_worker_checks_by_the_same_rule(pottery, job, task, weights, parameters, inputs, words):
    event = pottery.run(job(task, weights, parameters, **inputs))[-1]
    assert isinstance(event, Failed) and words in str(event.error), event


def test_weights_and_their_shared_model_are_asked_for_and_then_used(pottery, job, tmp_path):
    error = pottery.run(job("throw", "glazed", front=1))[-1].error
    assert error.remedy is Remedy.ACCEPT_LICENSE and error.needs == {"pipeline": "pottery", "weights": "glazed"}
    assert "glaze.npy is missing; clay.npy of Clay is missing" in error.why
    for folder, file in (("pottery/glazed", "glaze.npy"), ("shared/clay", "clay.npy")):
        (tmp_path / "models" / folder).mkdir(parents=True)
        np.save(tmp_path / "models" / folder / file, np.array([0.25, 0.5, 0.75]))
    folder = job("throw", "glazed", front=1)
    events = pottery.run(folder)
    assert isinstance(events[-1], Done), events[-1]
    assert "glaze.npy" in {event.what for event in events_of(events, Loading)}
    assert np.allclose(MeshData.read(folder.outputs / "pot.npz").colors[0, :3], [0.25, 0.5, 0.75])


def test_a_bad_folder_does_not_stop_a_worker(tmp_path):
    """The child greets, says on stderr what it leaves out, and ends."""
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "spec.py").write_text("import nothing_of_this_name")
    ended = subprocess.run([sys.executable, "-m", "backend", "worker", "--device", "cpu"], cwd=REPOSITORY, input="",
                           env=os.environ | {registry.VARIABLE: str(tmp_path)}, capture_output=True, text=True,
                           timeout=120)
    assert '"message": "ready"' in ended.stdout
    assert "nothing_of_this_name" in ended.stderr and "half is left out" in ended.stderr


def test_the_folder_is_never_written_to():
    assert not [path for path in Path(FOREIGN).glob("**/*") if path.suffix not in (".py", ".pyc", "")]
