# SPDX-License-Identifier: GPL-3.0-or-later
"""`remesh` from the shell: files of every format, several at once, bad ones among them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.contract import MeshwrightError, Remedy
from backend.geometry.mesh_files import read_parts
from backend.pipelines.silksong import job
from backend.worker import job_run
from tests.silksong.tiny_networks import tiny_pipeline
from tests.worker.conftest import REPOSITORY

SHAPES = {
    "ball.obj": trimesh.creation.icosphere(2), "box.ply": trimesh.creation.box((1, 2, 3)),
    "cone.stl": trimesh.creation.cone(1, 2), "ring.glb": trimesh.creation.torus(2, 1, 12, 6),
}


@pytest.fixture
def remesh(backend, monkeypatch, tmp_path):
    """Runs `remesh` with tiny random weights and few tokens."""
    monkeypatch.setattr(job_run, "locate", lambda spec, weights, models: tmp_path)
    monkeypatch.setattr(job, "load", lambda *_: tiny_pipeline(max_tokens=50))
    return lambda *arguments: backend("remesh", *arguments, "--weights", "published", "--device", "cpu")


@pytest.fixture
def meshes(tmp_path) -> Path:
    """A folder with one file of each format, and one that is no mesh."""
    folder = tmp_path / "meshes"
    folder.mkdir()
    for name, mesh in SHAPES.items():
        mesh.export(folder / name)
    (folder / "letter.glb").write_text("Dear reader")
    return folder


def test_a_batch_gives_what_its_files_give_one_by_one(remesh, meshes, tmp_path):
    """Five files in batches of three: one cannot be read, and the last batch is not full."""
    batched = remesh(meshes, "--out", tmp_path / "batched", "--batch", "3", "--seed", "4")
    single = remesh(meshes, "--out", tmp_path / "single", "--seed", "4")
    for ended in (batched, single):
        assert ended.code == 1
        assert ended.err.splitlines()[-2] == "1 of 5 failed:"
        assert "letter.glb cannot be read" in ended.err.splitlines()[-1]
    assert "ball and 2 more: Building mesh" in batched.err and "ball: Building mesh" in single.err
    kinds = json.loads((tmp_path / "statistics.json").read_text())["runs"]
    assert {kind.rpartition("published")[2] for kind in kinds} == {"/cpu/3", "/cpu"}, "times of batches are kept apart"
    for name in SHAPES:
        stem = name.split(".")[0]
        folders = [tmp_path / out / stem for out in ("batched", "single")]
        assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
            sorted([f"{stem}.glb", "result.json"])] * 2
        assert (folders[0] / f"{stem}.glb").read_bytes() == (folders[1] / f"{stem}.glb").read_bytes()
        told = [json.loads((folder / "result.json").read_text()) for folder in folders]
        assert told[0]["artifacts"][0]["properties"] == told[1]["artifacts"][0]["properties"]
        assert told[0]["notes"] == told[1]["notes"]
        assert set(told[0]["seconds"]) - {"loading"} == set(told[1]["seconds"]) - {"loading"}
        original = read_parts(meshes / name)[0].mesh
        woven = read_parts(folders[0] / f"{stem}.glb")[0].mesh
        reach = original.bounds[1] - original.bounds[0]  # random weights weave anywhere in the cube around it
        assert (np.abs(woven.bounds - original.bounds.mean(axis=0)) <= 0.55 * reach.max()).all()


def test_a_file_that_fails_in_the_job_leaves_the_others_theirs(remesh, meshes, tmp_path):
    trimesh.Trimesh(np.eye(3), [[0, 1, 2]]).export(meshes / "letter.glb")
    (meshes / "line.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\nf 1 3 2\n")
    ended = remesh(meshes, "--out", tmp_path / "out", "--batch", "16", "--variants", "2")
    assert ended.code == 1
    assert ended.err.splitlines()[-3] == "2 of 6 failed:"
    assert "letter.glb: The mesh has only 1 face" in ended.err and "line.obj: The mesh has no surface" in ended.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "ball", "box", "cone", "letter", "line", "ring"]
    assert [path.name for path in (tmp_path / "out" / "letter").iterdir()] == ["log.txt"]
    assert {path.name for path in (tmp_path / "out" / "ring").iterdir()} == {"ring.glb", "ring.v2.glb", "result.json"}


def test_a_batch_that_fails_as_a_whole_is_run_file_by_file(remesh, meshes, tmp_path, monkeypatch):
    real = job.run

    def run(model, request, *others):
        if len(request.inputs["mesh"]) > 1 or request.subject == "cone":
            raise ZeroDivisionError("a mistake in a library")
        return real(model, request, *others)

    monkeypatch.setattr(job, "run", run)
    ended = remesh(meshes / "box.ply", meshes / "cone.stl", "--out", tmp_path / "out", "--batch", "2")
    assert ended.code == 1
    assert "1 of 2 failed" in ended.err and ended.err.count("cone.stl: Unexpected error") == 1
    assert (tmp_path / "out" / "box" / "box.glb").is_file()


@pytest.mark.parametrize("when", ["load", "run"])
def test_a_batch_without_weights_is_not_tried_again_file_by_file(remesh, meshes, tmp_path, monkeypatch, when):
    """But values that are not numbers, which also ask for a new download, may be one file's alone."""
    tried, real = [], job.run

    def fail(*_):
        tried.append(1)
        raise MeshwrightError("The weights are not there.", "Why.", "Download them.", Remedy.DOWNLOAD)

    def run(model, request, folder, resources, progress):
        tried.append(1)
        progress.stage("points", 1, 1)
        if len(request.inputs["mesh"]) > 1 or request.subject == "cone":
            raise MeshwrightError("Not a number.", "Why.", "Download them.", Remedy.DOWNLOAD)
        return real(model, request, folder, resources, progress)

    monkeypatch.setattr(job, when, fail if when == "load" else run)
    ended = remesh(meshes / "box.ply", meshes / "cone.stl", "--out", tmp_path / "out", "--batch", "2")
    assert ended.code == 1 and len(tried) == {"load": 1, "run": 3}[when]
    if when == "load":
        assert "2 of 2 failed" in ended.err and ended.err.count("The weights are not there.") == 2
        assert (tmp_path / "out" / "cone" / "log.txt").is_file()
    else:
        assert "1 of 2 failed" in ended.err and (tmp_path / "out" / "box" / "box.glb").is_file()


@pytest.mark.parametrize("batch", ["0", "17"])
def test_the_batch_has_a_range(remesh, meshes, tmp_path, batch):
    ended = remesh(meshes, "--out", tmp_path / "out", "--batch", batch)
    assert ended.code == 1
    assert f"The batch cannot be {batch}." in ended.err and "a whole number from 1 to 16" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_task_that_computes_one_thing_at_a_time_offers_no_batch(backend, meshes, tmp_path):
    with pytest.raises(SystemExit) as ended:
        backend("repair-mesh", meshes, "--out", tmp_path / "out", "--batch", "2")
    assert ended.value.code == 2


def test_a_process_of_its_own_with_the_starter_weights(tmp_path):
    for name, sides in (("plank.obj", (3, 1, 0.2)), ("box.ply", (1, 2, 3))):
        trimesh.creation.box(sides).subdivide().subdivide().export(tmp_path / name)
    ended = subprocess.run(
        [sys.executable, "-m", "backend", "remesh", str(tmp_path / "plank.obj"), str(tmp_path / "box.ply"), "--out",
         str(tmp_path / "out"), "--batch", "2", "--format", "ply", "--max-faces", "200", "--device", "cpu",
         "--models", str(tmp_path / "models"), "--statistics", str(tmp_path / "statistics.json")],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and ended.stdout.count("mean distance") == 2
    for name in ("plank", "box"):
        properties = json.loads((tmp_path / "out" / name / "result.json").read_text())["artifacts"][0]["properties"]
        assert properties["complete"] and properties["mean_distance_percent"] < 3
        assert len(trimesh.load(tmp_path / "out" / name / f"{name}.ply").faces) == properties["faces"] < 192
