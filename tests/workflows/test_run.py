# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows in the real worker: what comes out, what is kept, progress, cancel, and what is wrong said beforehand."""

import threading
import time

import numpy as np
import pytest

from backend.contract import CancelledEvent, Done, Failed, JobFolder, MeshData, Remedy, StageProgress
from backend.pipelines import registry

TRIANGLES = MeshData(np.eye(3), [[0, 1, 2]])


def artifacts(event) -> dict:
    assert isinstance(event, Done), event
    return {artifact.file: artifact for artifact in event.result.artifacts}


def test_a_prompt_becomes_one_textured_object(worker, job):
    folder = job("pot", {"prompt": "blue"})
    made = artifacts(worker.run(folder)[-1])
    assert list(made) == [f"piece.001.{end}" for end in ("npz", "base_color.png", "metallic.png", "roughness.png")]
    assert made["piece.001.npz"].name == "pot" and made["piece.001.base_color.png"].target == "piece.001.npz"
    mesh = MeshData.read(folder.outputs / "piece.001.npz")
    assert len(mesh.faces) == 12 and mesh.uvs is not None  # the squared pot, laid out for the glaze


def test_every_step_is_kept_as_a_job_of_its_own(worker, job):
    folder = job("pot", {"prompt": "blue"})
    worker.run(folder)
    steps = {path.name: JobFolder(path) for path in (folder.path / "steps").iterdir()}
    assert sorted(steps) == ["1-throw", "2-square", "3-glaze"]
    assert all(step.read_result() for step in steps.values())
    request = steps["1-throw"].read_request()
    assert (request.seed, request.parameters["sides"], request.parameters["prompt"]) == (3, 7, "blue")
    mesh = MeshData.read(steps["1-throw"].outputs / "pot.npz")
    assert np.allclose(mesh.bounds, MeshData.read(folder.outputs / "piece.001.npz").bounds, atol=1e-5)


def test_parts_stay_apart_and_keep_names_and_colors(worker, job):
    folder = job("plate", image=10, cracks=200)
    made = artifacts(worker.run(folder)[-1])
    meshes = [artifact for artifact in made.values() if artifact.kind == "mesh"]
    assert [mesh.name for mesh in meshes] == ["shard 0", "shard 1", "shard 2"]
    assert all(mesh.color is not None for mesh in meshes)
    assert {artifact.target for artifact in made.values() if artifact.role == "base_color"} == {
        mesh.file for mesh in meshes}
    assert len(list((folder.path / "steps").iterdir())) == 1 + 3 + 1  # one for each part, one for all together


def test_a_selected_mesh_is_replaced(worker, job):
    made = artifacts(worker.run(job("renew", {"prompt": "red"}, mesh=TRIANGLES))[-1])
    assert [artifact.role for artifact in made.values()] == ["mesh", "base_color", "metallic", "roughness"]


def test_one_part_that_cannot_be_worked_on_loses_nothing_of_the_others(worker, job, monkeypatch):
    from backend.contract import BadInput
    from backend.worker import adapter

    potter = adapter.find_adapter("pottery")
    run = potter.run

    def refuse_the_second(model, request, folder, resources, progress):
        if request.task == "remesh" and request.subject == "shard 1":
            raise BadInput("Too thin.", "It has no volume.", "Thicken it.")
        return run(model, request, folder, resources, progress)

    monkeypatch.setattr(potter, "run", refuse_the_second)
    done = worker.run(job("plate", image=10, cracks=200))[-1]
    assert len([artifact for artifact in artifacts(done).values() if artifact.kind == "mesh"]) == 3
    assert "Square: shard 1 stays as it was. Too thin. It has no volume." in done.result.notes


def test_progress_never_goes_back_and_ends_at_one(worker, job):
    events = [event for event in worker.run(job("plate", image=10, cracks=200)) if isinstance(event, StageProgress)]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
    assert [stage for number, stage in enumerate(e.stage for e in events) if stage not in
            [e.stage for e in events][:number]] == ["break", "square", "glaze"]


def test_weights_that_are_missing_are_said_before_the_first_step(worker, job):
    folder = job("pot", {"prompt": "blue", "throw_model": "pottery/throw/glazed"}, image=3)
    failed = worker.run(folder)[-1]
    assert isinstance(failed, Failed) and failed.error.remedy in (Remedy.DOWNLOAD, Remedy.ACCEPT_LICENSE)
    assert not (folder.path / "steps").exists()


@pytest.mark.parametrize(("parameters", "inputs", "words"), [
    ({}, {}, "needs a prompt or front view"),
    ({"prompt": "x", "throw_model": "pottery/throw/hollow"}, {}, "Throw Model cannot be"),
    ({"throw_preset": "huge", "prompt": "x"}, {}, "cannot be 'huge'"),
])
def test_what_is_missing_or_unknown_is_said_before_the_first_step(worker, job, parameters, inputs, words):
    failed = worker.run(job("pot", parameters, **inputs))[-1]
    assert isinstance(failed, Failed) and words in str(failed.error)


def test_a_step_that_lacks_something_is_named(worker, job):
    failed = worker.run(job("renew", {}, mesh=TRIANGLES))[-1]
    assert isinstance(failed, Failed) and "prompt" in failed.error.what


def test_cancel_in_a_step_leaves_the_earlier_ones(worker, job, own_workflows):
    slow = {"name": "slow", "label": "Slow", "description": "Two slow pots", "steps": [
        {"name": "throw", "label": "Throw", "tasks": ["throw"], "inputs": {"prompt": "prompt"},
         "parameters": {"pace": 0.2, "sides": 64}}]}
    own_workflows(slow)
    folder = job("slow", {"prompt": "blue"})
    name = folder.read_request().job
    threading.Timer(0.6, lambda: worker.worker.cancel(name)).start()
    begin = time.perf_counter()
    assert isinstance(worker.run(folder)[-1], CancelledEvent)
    assert time.perf_counter() - begin < 5
    assert registry.chain("slow").steps[0].name == "throw"


def test_a_second_attempt_goes_on_where_the_first_ended(worker, job, monkeypatch):
    from backend.worker import adapter

    potter, calls = adapter.find_adapter("pottery"), []
    run = potter.run

    def short_of_memory_once(model, request, folder, resources, progress):
        calls.append((request.task, resources.chunk_scale))
        if request.task == "glaze" and resources.chunk_scale == 1.0:
            raise MemoryError
        return run(model, request, folder, resources, progress)

    monkeypatch.setattr(potter, "run", short_of_memory_once)
    assert isinstance(worker.run(job("pot", {"prompt": "blue"}))[-1], Done)
    assert calls == [("throw", 1.0), ("remesh", 1.0), ("glaze", 1.0), ("glaze", 0.25)]
