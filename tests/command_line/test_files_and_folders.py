# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line with names, folders, terminals and signals as they are."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from backend.command_line import inputs, task_runs
from backend.command_line.result_folder import replaced_files
from backend.command_line.result_names import MOST_BYTES, safe_name, unique_name
from backend.contract import Artifact, Result
from backend.geometry.mesh_files import read_file
from tests.command_line.conftest import hear_signals
from tests.worker.conftest import REPOSITORY
from tests.worker.tiny_partpacker import save_image

FAST = ["--device", "cpu", "--steps", "2", "--grid-resolution", "64"]


@pytest.mark.parametrize(("stem", "name"), [
    ("chair", "chair"), ("..", "image"), ("...", "image"), (".", "image"), ("a/b", "a_b"), ("a\nb", "a_b"),
    ("con", "_con"), ("\udce9t\udce9", "_t_"), ("chair. ", "chair"), ("椅子", "椅子"), ("???", "image"),
])
def test_names_become_safe(stem, name):
    assert safe_name(stem, "image") == name


@pytest.mark.parametrize("letter", ["B", "ä", "椅", "🪑"])
def test_long_names_become_short_and_stay_apart(letter):
    taken: set[str] = set()
    names = [unique_name(safe_name(letter * 250 + end, "image"), taken) for end in "ab"]
    assert names[0] != names[1] and len(names[0].encode()) <= MOST_BYTES


def test_names_that_differ_in_case_stay_apart():
    taken: set[str] = set()
    assert [unique_name(name, taken) for name in ("Chair", "chair", "CHAIR")] == ["Chair", "chair-2", "CHAIR-3"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def remesh(backend, *arguments):
    return backend("repair-mesh", *arguments)


@pytest.mark.parametrize("name", [b"B" * 250 + b".stl", b"caf\xe9.stl", b"...stl", b"a b%20c.stl", "椅子.stl".encode()])
def test_a_file_of_any_name_has_a_result(backend, tmp_path, name):
    source = os.fsencode(tmp_path) + b"/" + name
    trimesh.creation.box().export(tmp_path / "box.stl")
    (tmp_path / "box.stl").rename(os.fsdecode(source))
    ended = remesh(backend, os.fsdecode(source), "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / "out").iterdir()
    assert (folder / "result.json").is_file() and len(list(folder.glob("*.glb"))) == 1


def test_a_terminal_that_cannot_show_a_name_does_not_end_the_batch(tmp_path):
    folder = tmp_path / "batch"
    folder.mkdir()
    for name in ("a椅子.stl", "b.stl"):
        trimesh.creation.box().export(tmp_path / "box.stl")
        shutil.move(tmp_path / "box.stl", folder / name)
    ended = subprocess.run(
        [sys.executable, "-m", "backend", "repair-mesh", str(folder), "--out", str(tmp_path / "out"), "--device", "cpu",
         "--statistics", str(tmp_path / "s.json"), "--models", str(tmp_path / "m")], cwd=REPOSITORY,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert names_in(tmp_path / "out") == ["a椅子", "b"] and rb"a\u6905\u5b50: 1 mesh" in ended.stdout


def test_hidden_files_and_folders_in_a_folder_are_left_out(tmp_path):
    for name in (".hidden.png", "._a.png", "a.AVIF", "b.tga", "c.jfif", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = inputs.named_sources([tmp_path], type("Slot", (), {"kind": "image"}))
    assert sorted(path.name for path in found.values()) == ["a.AVIF", "b.tga", "c.jfif"]


def test_bad_files_and_missing_ones_do_not_end_a_batch(backend, tmp_path, monkeypatch):
    for name in "abc":
        trimesh.creation.box().export(tmp_path / f"{name}.stl")
    real = task_runs.place_meshes

    def breaking(source: Path, *others):
        if source.stem == "b":
            raise RecursionError("deep")
        return real(source, *others)

    monkeypatch.setattr(task_runs, "place_meshes", breaking)
    ended = remesh(backend, *(tmp_path / f"{name}.stl" for name in ("a", "b", "gone", "c")), "--out", tmp_path / "out")
    assert ended.code == 1 and names_in(tmp_path / "out") == ["a", "c"]
    assert "2 of 4 failed" in ended.err and "RecursionError: deep" in ended.err and "There is no" in ended.err


def written(folder: Path, names: list[str]) -> None:
    parts = tuple(Artifact(name, "mesh", f"{name}.npz", "mesh") for name in names)
    with replaced_files(folder, ("glb", "ply")) as draft:
        for name in names:
            (draft / f"{name}.glb").write_text(name)
        (draft / "result.json").write_text(json.dumps(Result(parts).to_json()))


def test_results_of_an_earlier_run_are_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "chair"
    written(folder, ["chair.part.01", "chair.part.02"])
    for name in ("notes.txt", "log.txt", "chair.part.01.ply"):
        (folder / name).touch()
    written(folder, ["chair.part.01"])
    assert names_in(folder) == ["chair.part.01.glb", "notes.txt", "result.json"]
    with pytest.raises(OSError, match="full"), replaced_files(folder, ("glb",)) as draft:
        (draft / "chair.part.01.glb").write_text("half")
        raise OSError("full")
    assert (folder / "chair.part.01.glb").read_text() == "chair.part.01"
    assert names_in(folder) == ["chair.part.01.glb", "notes.txt", "result.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_scratch_folder(tmp_path, starter, number):
    save_image(tmp_path / "chair.png")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.worker.child", str(starter), "walk", str(tmp_path / "chair.png"), "--out",
         str(tmp_path / "out"), "--steps", "1000", "--pause", "0.05", "--device", "cpu",
         "--statistics", str(tmp_path / "statistics.json")],
        cwd=REPOSITORY, env={**os.environ, "TMPDIR": str(scratch)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=hear_signals)
    for line in process.stderr:
        if "Sampling" in line:
            break
    assert list(scratch.glob("meshwright-*"))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert not list(scratch.glob("meshwright-*")) and not (tmp_path / "out").exists()


def test_a_mesh_far_away_goes_back_there(backend, tmp_path):
    trimesh.creation.box((0.4, 0.4, 0.4)).apply_translation([500_000, 4_600_000, 7]).export(tmp_path / "far.obj")
    for suffix in ("glb", "obj", "stl"):
        ended = remesh(backend, tmp_path / "far.obj", "--out", tmp_path / suffix, "--format", suffix)
        assert ended.code == 0, ended.err
        (file,) = (tmp_path / suffix / "far").glob(f"*.{suffix}")
        (node,) = read_file(file).nodes
        low, high = node.bounds()
        assert (abs(high - low - 0.4) < 1e-4).all()
        if suffix == "stl":
            assert "closer to it" in ended.err and abs(low).max() < 1
        else:
            assert abs((low + high) / 2 - (500_000, -7, 4_600_000)).max() < 1e-3


def test_a_photograph_as_the_only_input_may_be_anything_that_is_read(backend, tmp_path):
    save_image(tmp_path / "chair.png")
    Image.open(tmp_path / "chair.png").save(tmp_path / "椅子.avif", lossless=True)
    ended = backend("generate-parts", tmp_path / "椅子.avif", "--out", tmp_path / "out", *FAST)
    assert ended.code == 0, ended.err
    assert (tmp_path / "out" / "椅子" / "parts.glb").is_file()
