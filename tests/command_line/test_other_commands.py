# SPDX-License-Identifier: GPL-3.0-or-later
"""specs, download, train."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.command_line import main
from backend.pipelines import registry
from backend.worker import job_run


def test_specs_as_text_and_json(backend):
    text = backend("specs").out
    assert "generate-parts" in text
    assert "Output: non-commercial only" in text and "--mask" in text and "1.5 GiB low" in text
    data = json.loads(backend("specs", "--json").out)
    assert data["partpacker"]["tasks"][0]["parameters"][0]["name"] == "steps"


def test_the_license_is_shown_and_must_be_accepted(backend):
    ended = backend("download", "partpacker", "published")
    assert ended.code == 1
    assert "NVIDIA" in ended.out and "Shared Models · DINOv2 giant: 4.6 GB\nApache License 2.0" in ended.out
    assert "Commercial use: NOT allowed" in ended.out
    assert "--accept-license" in ended.err


def test_an_accepted_license_reaches_the_download(backend, monkeypatch, tmp_path):
    from backend.weights import download as room

    asked = []

    def download(spec, weights, models, accepted, progress):
        asked.append((spec.name, weights.name, models, accepted))
        progress.downloading("flow.pt", 5, 10)
        progress.downloading("flow.pt", 10, 10)
        return models

    monkeypatch.setattr(room, "download", download)
    ended = backend("download", "partpacker", "published", "--accept-license")
    license = registry.spec("partpacker").weight_set("published").license.name
    encoder = registry.spec("shared").weight_set("dinov2-giant").license.name
    assert asked == [("partpacker", "published", tmp_path / "models", f"{license}\n{encoder}")]
    assert ended.code == 0, ended.err
    assert "flow.pt" in ended.err
    assert str(tmp_path / "models") in ended.out


def test_a_failed_download_tells_why(backend, monkeypatch):
    from backend.contract import MeshwrightError
    from backend.weights import download as room

    def download(*_):
        raise MeshwrightError("No connection.", "The hub does not answer.", "Check the network.")

    monkeypatch.setattr(room, "download", download)
    ended = backend("download", "partpacker", "published", "--accept-license")
    assert ended.code == 1
    assert ended.err.splitlines()[-3:] == ["No connection.", "The hub does not answer.", "Check the network."]


def test_weights_are_deleted_with_the_shared_models_that_only_they_need(backend, tmp_path):
    from backend.weights.location import set_folder

    assert "not installed" in backend("remove", "partpacker", "published").err
    folders = []
    for pipeline, name in (("partpacker", "published"), ("shared", "dinov2-giant")):
        spec = registry.spec(pipeline)
        folders.append(set_folder(spec, spec.weight_set(name), tmp_path / "models"))
        folders[-1].mkdir(parents=True)
        for file in spec.weight_set(name).files:
            (folders[-1] / file.local).write_bytes(b"weights")
    ended = backend("remove", "shared", "dinov2-giant")
    assert ended.code == 1 and "It is needed by PartPacker · Published." in ended.err and folders[1].is_dir()
    ended = backend("remove", "partpacker", "published")
    assert ended.code == 0, ended.err
    assert ended.out == "Deleted PartPacker · Published, Shared Models · DINOv2 giant: 0.00 GB.\n"
    assert not any(folder.exists() for folder in folders)


def test_an_unknown_set_or_pipeline(backend):
    assert "no weights 'huge'" in backend("download", "partpacker", "huge").err


def test_a_pipeline_without_a_recipe_cannot_be_trained(backend):
    ended = backend("train", "nobody")
    assert ended.code == 1
    assert "no recipe to train 'nobody'" in ended.err
    assert "partpacker" in ended.err


def test_what_a_recipe_refuses_is_told_in_words(backend, tmp_path):
    ended = backend("train", "silksong", "--preset", "smoke", "--meshes", str(tmp_path), "--out", str(tmp_path / "run"))
    assert ended.code == 1
    assert len(ended.err.splitlines()) >= 3
    assert "Traceback" not in ended.err


def test_every_recipe_is_found_by_its_folder():
    assert set(registry.trainable()) <= set(registry.specs())
    for name in registry.trainable():
        assert callable(importlib.import_module(f"backend.pipelines.{name}.training.recipe").train)


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "--preset", "starter"], ["fly"]])
def test_wrong_usage_shows_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m backend" in capsys.readouterr().err


@pytest.mark.parametrize("pipeline", registry.trainable())
def test_training_options_reach_the_recipe(pipeline, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", pipeline, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert f"usage: python -m backend train {pipeline}" in told
    assert "--preset" in told and "--resume" in told


def test_the_worker_finds_real_weights_through_the_weights_room():
    assert job_run.locate.__module__ == "backend.weights.location"


def test_what_transformers_says_to_programmers_is_not_shown():
    """Without torchvision it tells which image processor it takes, as soon as that is named."""
    script = ("import runpy, sys, contextlib\nsys.argv = ['backend', 'specs']\n"
              "with contextlib.suppress(SystemExit):\n    runpy.run_module('backend', run_name='__main__')\n"
              "from transformers import CLIPImageProcessor")
    quiet = {name: value for name, value in os.environ.items() if name != "TRANSFORMERS_VERBOSITY"}
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], env=quiet,
                           capture_output=True, text=True, check=True)
    assert "generate-parts" in ended.stdout and ended.stderr == ""
