# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks from the shell: files in, files out, exit codes, clear words."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from backend.contract import Result
from backend.geometry.mesh_files import read_parts
from tests.command_line.conftest import hear_signals
from tests.worker.conftest import REPOSITORY
from tests.worker.tiny_partpacker import save_image

FAST = ["--device", "cpu", "--steps", "2", "--grid-resolution", "64"]


def test_a_image_becomes_a_folder_of_parts(backend, tmp_path):
    save_image(tmp_path / "chair.png")
    ended = backend("generate-parts", tmp_path / "chair.png", "--out", tmp_path / "out", "--format", "ply", *FAST)
    assert ended.code == 0, ended.err
    folder = tmp_path / "out" / "chair"
    result = Result.from_json(json.loads((folder / "result.json").read_text()))
    names = [artifact.name for artifact in result.artifacts if artifact.kind == "mesh"]
    assert names[0] == "chair.part.01"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(f"{name}.ply" for name in names), "parts.glb", "image.png", "result.json"])
    faces = sum(len(trimesh.load(folder / f"{name}.ply").faces) for name in names)
    assert ended.out.startswith(f"chair: {len(names)} parts, {faces:,} faces, ")
    assert "sample" in ended.out
    assert "Generating shape" in ended.err


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(backend, tmp_path):
    save_image(tmp_path / "chair.png")
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        arguments = [tmp_path / "chair.png", "--out", tmp_path / out, "--seed", seed]
        assert backend("generate-parts", *arguments, *FAST).code == 0
    a, b, c = ((tmp_path / out / "chair" / "parts.glb").read_bytes() for out in "abc")
    assert a == b != c


def test_a_bad_image_in_a_folder_does_not_stop_the_others(backend, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    save_image(images / "a.png")
    (images / "b.png").write_text("no image")
    save_image(images / "c.png", shift=5)
    (images / "notes.txt").write_text("not looked at")
    ended = backend("generate-parts", images, "--out", tmp_path / "out", *FAST)
    assert ended.code == 1
    assert ended.out.count("parts, ") == 2
    assert "1 of 3 failed" in ended.err
    assert "b.png is not an image" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in (tmp_path / "out" / "b" / "log.txt").read_text()


@pytest.mark.parametrize(("arguments", "words"), [
    (["--seed", "-1"], "seed cannot be -1"),
    (["--steps", "101"], "from 1 to 100"),
    (["--grid-resolution", "100"], "one of 64, 96"),
    (["--device", "cuda:9"], "device cuda:9 is not available"),
    (["--weights", "published"], "license"),
])
def test_what_cannot_be_done_is_said_with_the_way_out(backend, tmp_path, arguments, words):
    save_image(tmp_path / "chair.png")
    ended = backend("generate-parts", tmp_path / "chair.png", "--out", tmp_path / "out", "--device", "cpu", *arguments)
    assert ended.code == 1
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_a_missing_file_and_an_empty_folder(backend, tmp_path):
    assert "There is no" in backend("generate-parts", tmp_path / "none.png", "--out", tmp_path / "out").err
    (tmp_path / "empty").mkdir()
    ended = backend("generate-parts", tmp_path / "empty", "--out", tmp_path / "out")
    assert ended.code == 1
    assert "holds nothing" in ended.err


def test_a_result_folder_that_cannot_be_written(backend, tmp_path):
    save_image(tmp_path / "chair.png")
    (tmp_path / "out").write_text("a file where a folder should be")
    ended = backend("generate-parts", tmp_path / "chair.png", "--out", tmp_path / "out", *FAST)
    assert ended.code == 1
    assert "cannot be written" in ended.err


def test_every_option_stands_in_the_help_with_its_range(capsys):
    from backend.command_line import main

    with pytest.raises(SystemExit) as ended:
        main(["generate-parts", "--help"])
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "--guidance-scale FLOAT How closely the shape follows the image: a number from 1 to 10" in words
    assert "default 50, starter weights 24" in words


def test_a_mesh_is_rebuilt(backend, tmp_path):
    trimesh.creation.box((2, 1, 1)).apply_translation([5, 0, 0]).export(tmp_path / "box.stl")
    ended = backend("partpacker-reconstruct", tmp_path / "box.stl", "--out", tmp_path / "out", "--device", "cpu",
                    "--grid-resolution", "64")
    assert ended.code == 0, ended.err
    assert read_parts(tmp_path / "out" / "box" / "box.glb")


def test_parts_are_sorted_into_two_files(backend, tmp_path):
    scene = trimesh.Scene()
    for number in range(3):
        place = trimesh.transformations.translation_matrix([0, number * 0.99, 0])
        scene.add_geometry(trimesh.creation.box(), node_name=f"box{number}", geom_name="box", transform=place)
    scene.export(tmp_path / "tower.glb")
    ended = backend("split-parts", tmp_path / "tower.glb", "--out", tmp_path / "out", "--device", "cpu")
    assert ended.code == 0, ended.err
    folder = tmp_path / "out" / "tower"
    counts = {len(trimesh.load(folder / f"tower_volume{volume}.obj", force="mesh").faces) for volume in (0, 1)}
    assert counts == {12, 24}
    bounds = trimesh.load_scene(folder / "tower.glb").bounds
    assert np.allclose(bounds, scene.bounds, atol=1e-5)


def test_ctrl_c_cancels_cleanly(tmp_path, starter):
    save_image(tmp_path / "chair.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.worker.child", str(starter), "walk", str(tmp_path / "chair.png"), "--out",
         str(tmp_path / "out"), "--steps", "1000", "--pause", "0.05", "--device", "cpu",
         "--statistics", str(tmp_path / "statistics.json")],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals)
    for line in process.stderr:
        if "Sampling" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=10)
    assert process.returncode == 130
    assert rest.strip() == "Interrupted."
    assert not (tmp_path / "out").exists()
