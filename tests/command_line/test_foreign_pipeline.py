# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline that lives in a folder of the artist's own goes through the command line: every delivery, every input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract import VERSION
from backend.pipelines import registry
from tests.worker.conftest import REPOSITORY

FOREIGN = REPOSITORY / "tests" / "foreign_pipelines"


@pytest.fixture
def pottery(backend, tmp_path, monkeypatch):
    """Runs commands with the folder of foreign pipelines."""
    monkeypatch.chdir(tmp_path)
    registry.use_folder(FOREIGN)
    yield backend
    registry.use_folder(None)


def image(name: str, level: int) -> Path:
    Image.new("RGB", (8, 8), (level, level, level)).save(name)
    return Path(name)


def box(name: str, size=(1, 1, 1), shift=(0, 0, 0)) -> Path:
    trimesh.creation.box(size).apply_translation(shift).export(name)
    return Path(name)


def made(name: str, file: str) -> trimesh.Trimesh:
    (mesh,) = trimesh.load_scene(Path("out") / name / file, process=False).geometry.values()
    return mesh


def color(mesh: trimesh.Trimesh) -> tuple[int, ...]:
    return tuple(int(value) for value in mesh.visual.vertex_colors[0])


def test_without_the_folder_there_is_no_such_command(backend, capsys):
    assert "pottery" not in backend("specs").out
    with pytest.raises(SystemExit) as ended:
        backend("throw", "--prompt", "a jug", "--out", "out")
    assert ended.value.code == 2


def test_a_prompt_alone_makes_an_object_with_vertex_colors(pottery):
    ended = pottery("throw", "--prompt", "A blue jug!", "--sides", "6", "--out", "out")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("a-blue-jug: 1 mesh, 20 faces, ")
    jug = made("a-blue-jug", "a-blue-jug.glb")
    assert len(jug.faces) == 20 and jug.visual.kind == "vertex" and color(jug)[3] == 255
    assert np.allclose(jug.extents, [1, 1.5, 0.866], atol=0.01), "Y is up in the file"


def test_views_have_a_flag_each_and_the_first_may_stand_alone(pottery):
    image("front.png", 10), image("back.png", 90)
    colors = set()
    for number, words in enumerate((["front.png"], ["--front", "front.png"], ["front.png", "--prompt", "tall"],
                                    ["--prompt", "tall"])):
        ended = pottery("throw", *words, "--out", f"out{number}", "--format", "ply")
        assert ended.code == 0, ended.err
        colors.add(color(trimesh.load(next(Path(f"out{number}").glob("*/*.ply")))))
    assert len(colors) == 3, "the same image by either way, a prompt with it, and a prompt alone"


@pytest.mark.parametrize(("words", "complaint"), [
    ([], "Throw Pot needs a prompt or front view."),
    (["--prompt", "  "], "Throw Pot needs a prompt or front view."),
    (["--back", "back.png", "--prompt", "x"], "Plain takes no back view."),
    (["--front", "none.png"], "There is no none.png."),
    (["--weights", "glazed", "--prompt", "x"], "Front View is missing."),
    (["--back", "letter.png"], "letter.png is not an image."),
])
def test_what_is_missing_is_said_before_anything_runs(pottery, words, complaint):
    image("back.png", 90)
    Path("letter.png").write_text("Dear reader", encoding="utf-8")
    ended = pottery("throw", *words, "--out", "out")
    assert ended.code == 1 and complaint in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(("words", "sides"), [
    ([], 12), (["--preset", "draft"], 5), (["--preset", "best"], 24), (["--preset", "best", "--sides", "7"], 7),
])
def test_presets_name_values_and_a_given_one_counts(pottery, words, sides):
    assert pottery("throw", "--prompt", "x", *words, "--out", "out").code == 0
    assert len(made("x", "x.glb").faces) == 4 * sides - 4


@pytest.mark.parametrize(("asked", "mode"), [("auto", "full"), ("full", "full"), ("balanced", "balanced"),
                                             ("low", "balanced")])
def test_memory_modes_are_those_that_the_weights_offer(pottery, asked, mode):
    ended = pottery("throw", "--prompt", "x", "--out", "out", "--memory-mode", asked, "--device", "cpu")
    assert f"throw in mode {mode}" in ended.out, ended.err


def test_two_required_images_make_parts(pottery):
    image("plate.png", 10), image("cracks.png", 90)
    refused = pottery("shards", "plate.png", "--out", "out")
    assert refused.code == 1 and "Cracks is missing." in refused.err and "--cracks" in refused.err
    ended = pottery("shards", "plate.png", "--cracks", "cracks.png", "--count", "2", "--out", "out")
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in Path("out/plate").iterdir()) == ["result.json", "shard 0.glb", "shard 1.glb"]


def test_a_task_of_a_known_name_bears_its_pipelines_name(pottery):
    box("crate.stl", (1, 2, 3))
    ended = pottery("pottery-remesh", "crate.stl", "--out", "out")
    assert ended.code == 0, ended.err
    assert np.allclose(sorted(made("crate", "crate.glb").extents), [1, 2, 3], atol=1e-5)
    with pytest.raises(SystemExit):
        pottery("remesh", "--help")


def test_groups_become_a_file_each_and_one_for_all(pottery):
    scene = trimesh.Scene()
    for name, height in (("cup", 3.0), ("plate", 0.2)):
        scene.add_geometry(trimesh.creation.box((1, height, 1)), node_name=name, geom_name=name)  # Y is up
    scene.export("shelf.glb")
    ended = pottery("shelve", "shelf.glb", "--out", "out")
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in Path("out/shelf").iterdir()) == [
        "result.json", "shelf.glb", "shelf_flat.obj", "shelf_tall.obj"]
    assert trimesh.load("out/shelf/shelf_tall.obj").extents.max() == pytest.approx(3)


def test_a_materials_maps_are_in_the_glb_and_images_of_their_own(pottery):
    box("crate.obj")
    ended = pottery("glaze", "crate.obj", "--prompt", "celadon", "--out", "out")
    assert ended.code == 0, ended.err
    assert "1 texture with metallic, roughness" in ended.out
    assert sorted(path.name for path in Path("out/crate").iterdir()) == [
        "base_color.0.png", "crate.glb", "metallic.0.png", "result.json", "roughness.0.png"]
    material = made("crate", "crate.glb").visual.material
    assert np.array_equal(np.asarray(material.baseColorTexture.convert("RGB")),
                          np.asarray(Image.open("out/crate/base_color.0.png")))
    _, green, blue = np.asarray(material.metallicRoughnessTexture)[0, 0][:3]
    assert (green, blue) == (64, 0) and material.metallicFactor == material.roughnessFactor == 1.0


def test_a_texture_so_far_is_brought_only_where_an_option_asks(pottery):
    box("crate.obj")
    ended = pottery("glaze", "crate.obj", "--prompt", "x", "--base", "current", "--out", "out")
    assert ended.code == 1 and "has no texture to follow" in ended.err


def test_a_text_is_printed_and_written(pottery):
    box("crate.ply")
    ended = pottery("appraise", "crate.ply", "--out", "out")
    assert ended.code == 0, ended.err
    assert "  a pot of 12 faces\n" in ended.out
    assert Path("out/crate/caption.txt").read_text(encoding="utf-8") == "a pot of 12 faces"
    assert json.loads(Path("out/crate/result.json").read_text(encoding="utf-8"))["artifacts"][0]["role"] == "caption"


def test_a_shared_model_of_its_own_is_offered_with_ours(pottery, tmp_path):
    text = pottery("specs").out
    assert "weights clay: The color of unglazed pots (0.2 GB" in text and "Output: non-commercial only" in text
    folder = tmp_path / "models" / "shared" / "clay"
    folder.mkdir(parents=True)
    np.save(folder / "clay.npy", np.array([1.0, 0.0, 0.0]))
    assert pottery("throw", "--prompt", "x", "--out", "out").code == 0
    assert color(made("x", "x.glb"))[:3] == (255, 0, 0), "it was there, so the task used it"


def test_an_environment_variable_opens_the_folder_for_a_process_of_its_own(tmp_path):
    """A worker that Blender starts gets the folder this way."""
    environment = os.environ | {registry.VARIABLE: str(FOREIGN)}
    command = [sys.executable, "-m", "backend", "throw", "--prompt", "x", "--out", str(tmp_path), "--device", "cpu",
               "--statistics", str(tmp_path / "statistics.json")]
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "x" / "x.glb").is_file() and VERSION


def test_a_bad_pipeline_is_reported_and_left_out_and_the_others_run(backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = {"broken": "raise ZeroDivisionError('half written')", "empty": "", "silksong": "SPEC = 3",
               "reserved": (FOREIGN / "pottery" / "spec.py").read_text()
               .replace('name="pottery"', 'name="reserved"').replace('"int", 12, "Sides"', '"int", 99, "Sides"')}
    for name, text in sources.items():
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "spec.py").write_text(text)
    registry.use_folder(tmp_path / "mine")
    try:
        box("crate.stl")
        ended = backend("repair-mesh", "crate.stl", "--out", "out")
        assert ended.code == 0, ended.err
        for words in ("broken is left out. Its spec.py raises ZeroDivisionError: half written.",
                      "no PipelineSpec named SPEC", "Meshwright has its own 'silksong'",
                      "Sides cannot be 99"):
            assert words in ended.err
        assert list(registry.specs())[:1] == ["flexisyncmvd"] and "reserved" not in registry.specs()
    finally:
        registry.use_folder(None)
    assert not registry.complaints()
