# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tuning on a folder of textured meshes: what is rendered of them, resuming, and that the results are loaded."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from safetensors.torch import load_file

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.painting.scene import strip_size
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice, Lora
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.pipeline import CheckpointPipelines
from backend.pipelines.flexisyncmvd.prompts import encode, token_ids
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.settings import Sizes
from backend.pipelines.flexisyncmvd.spec import SPEC
from backend.pipelines.flexisyncmvd.training import fine_tuning
from backend.pipelines.flexisyncmvd.training.color_kinds import COLORS, hsv_of
from backend.pipelines.flexisyncmvd.training.fine_tuning import CONTROLNET_FOLDER, LORA_FILE
from backend.pipelines.flexisyncmvd.training.metrics import color_share
from backend.pipelines.flexisyncmvd.training.networks import TwoTextDenoiser
from backend.pipelines.flexisyncmvd.training.procedural_meshes import scene_of, unwrapped_object, write_folder
from backend.pipelines.flexisyncmvd.training.textured_meshes import (
    CAPTIONS,
    RenderedMesh,
    read_captions,
    read_textured_mesh,
    render_folder,
    render_textured_mesh,
)
from backend.pipelines.flexisyncmvd.weight_sets import STARTER
from backend.procedural.dataset import Split
from backend.training.curves import Curves
from backend.weights.location import set_folder

from ..painting.boxes import painted_box
from .checkpoint_forms import write_set
from .test_job import FAST, Watcher
from .worker_child import TINY, TINY_SPEC

WEIGHTS = set_folder(SPEC, STARTER, Path())
"""The starter weights."""
GRID = 32
SIZE = 64
RED, BLUE = (200, 30, 30), (30, 30, 200)


def _textured(mesh: MeshData, color: tuple[int, int, int]) -> trimesh.Trimesh:
    """A part in glTF's frame (y up), as exporters write it."""
    x, y, z = mesh.vertices.T
    corners = np.stack([x, z, -y], axis=1)[mesh.faces].reshape(-1, 3)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.new("RGB", (8, 8), color))
    visual = trimesh.visual.TextureVisuals(uv=mesh.uvs.reshape(-1, 2), material=material)
    return trimesh.Trimesh(corners, np.arange(len(corners)).reshape(-1, 3), visual=visual, process=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boxes: a red one, and one that is red at the front (-y) and blue at the back."""
    path = tmp_path_factory.mktemp("meshes")
    trimesh.Scene([_textured(painted_box(), RED)]).export(path / "red.glb")
    halves = [_textured(painted_box((0, side, 0), (1, 1, 1)), color) for side, color in ((-0.5, RED), (0.5, BLUE))]
    trimesh.Scene(halves).export(path / "two.glb")
    lines = [{"mesh": "red.glb", "prompt": "a red table"}, {"mesh": "two.glb", "prompt": "a red and blue table"}]
    (path / CAPTIONS).write_text("\n".join(map(json.dumps, lines)))
    return path


def test_views_show_the_textures_from_their_sides(folder: Path) -> None:
    views = render_textured_mesh(read_textured_mesh(folder / "two.glb"), "a box", SIZE, "cpu")
    assert views.captions[4] == "a box, front view."
    assert views.captions[0] == "a box, back view."
    for view, color in ((4, RED), (0, BLUE)):
        shown = views.images[view, :3][:, views.images[view, 3] > 0]
        torch.testing.assert_close(shown.mean(dim=1), torch.tensor(color) / 255.0, rtol=0, atol=0.01)
    assert views.depth[4].amax() > 0.99
    assert views.depth[4, 0, 0, 0] == 0


def test_a_folder_says_what_is_wrong_with_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"captions\.jsonl"):
        render_folder(tmp_path, SIZE, "cpu")
    (tmp_path / CAPTIONS).write_text('{"mesh": "plain.obj"}')
    with pytest.raises(BadInput, match="Line 1"):
        render_folder(tmp_path, SIZE, "cpu")
    trimesh.creation.box().export(tmp_path / "plain.obj")
    (tmp_path / CAPTIONS).write_text('{"mesh": "plain.obj", "prompt": "a box"}')
    with pytest.raises(BadInput, match="not textured"):
        render_folder(tmp_path, SIZE, "cpu")


def test_the_command_ends_with_words_and_renders_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fine_tuning, "render_folder", lambda *_: pytest.fail("something was rendered"))
    stray, other = tmp_path / "stray", tmp_path / "other"
    for bad, text in ((stray, b'{"mesh": "gone.glb", "prompt": "a box"}'), (other, "é".encode("latin-1"))):
        bad.mkdir()
        (bad / CAPTIONS).write_bytes(text)
    good = {"--weights": WEIGHTS, "--meshes": folder, "--out": tmp_path / "run"}
    for bad, words in (({"--meshes": tmp_path}, "holds no captions.jsonl"),
                       ({"--held-out": stray}, "gone.glb is missing"), ({"--held-out": other}, "not UTF-8"),
                       ({"--size": 100}, "multiple of 8"), ({"--weights": tmp_path / "none"}, "is missing")):
        options = [str(part) for pair in (good | bad).items() for part in pair]
        assert fine_tuning.main(options) == 1
        told = capsys.readouterr().err
        assert words in told and "Traceback" not in told


@cache
def rendered(folder: Path, size: int, device: torch.device) -> list[RenderedMesh]:
    """What ``render_folder`` gives."""
    return render_folder(folder, size, device)


@pytest.mark.parametrize("what", ["lora", "controlnet"])
def test_both_families_are_tuned_and_loaded_again(
    what: str, family: str, weights: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "render_folder", rendered)
    monkeypatch.setattr(Curves, "_draw", lambda *_: None)
    mine = shutil.copytree(weights, tmp_path / "set")
    options = ["--weights", str(weights), "--meshes", str(folder), "--out", str(tmp_path), "--size", str(SIZE)]
    assert fine_tuning.main([*options, "--what", what, "--steps", "2", "--batch", "2", "--rate", "1e-2"]) == 0
    choice = CheckpointChoice()
    if what == "lora":
        choice = CheckpointChoice(loras=(Lora(tmp_path / LORA_FILE, 1.0),))
    else:
        shutil.copytree(tmp_path / CONTROLNET_FOLDER, mine / "controlnet" / "depth", dirs_exist_ok=True)
    before, after = (CheckpointLibrary(source, torch.float32, "cpu", published=False).components(chosen, ["depth"])
                     for source, chosen in ((weights, CheckpointChoice()), (mine, choice)))
    assert after.family == family
    tuned, kept = ("unet", "depth") if what == "lora" else ("depth", "unet")
    networks = [{"unet": parts.unet.state_dict(), "depth": parts.controlnets["depth"].state_dict()}
                for parts in (before, after)]
    same = {name: [torch.equal(value, networks[1][name][key]) for key, value in networks[0][name].items()]
            for name in ("unet", "depth")}
    assert all(same[kept]) and not all(same[tuned])


def test_sdxl_hears_what_texturing_tells_it(tmp_path: Path) -> None:
    """The text and the sizes are those of inference."""
    library = CheckpointLibrary(write_set(tmp_path, "sdxl"), torch.float32, "cpu", published=False)
    parts = library.components(controls=["depth"])
    model = TwoTextDenoiser(parts.text_encoders, parts.controlnets["depth"], parts.unet)
    tokens = torch.cat([token_ids(tokenizer, "a box", "") for tokenizer in parts.tokenizers])
    expected = encode(list(zip(parts.tokenizers, parts.text_encoders, strict=True)), "a box", [""], "cpu")
    text, added = model.read(tokens[None], SIZE)
    assert added is not None and added["time_ids"].tolist() == [[SIZE, SIZE, 0, 0, SIZE, SIZE]]
    torch.testing.assert_close((text, added["text_embeds"]), (expected.sequence, expected.pooled))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of coarse drawn objects in two colors, to learn from and held out."""
    path = tmp_path_factory.mktemp("drawn")
    write_folder(path / "meshes", 6, Split.TRAINING, 0, GRID, 128)
    write_folder(path / "held_out", 2, Split.HELD_OUT, 0, GRID, 128)
    return path / "meshes", path / "held_out"


def test_drawn_meshes_are_white_above_and_colored_below(drawn: tuple[Path, Path]) -> None:
    captions = read_captions(drawn[0])
    assert captions["chair-0005.glb"] == "a blue and white plastic chair"
    views = render_textured_mesh(read_textured_mesh(drawn[0] / "chair-0005.glb"), "a chair", SIZE, "cpu")
    hsv = hsv_of(views.images[:8, :3].transpose(0, 1))  # the cameras that look from the sides
    shown = views.images[:8, 3] > 0
    rows = shown.any(dim=0).any(dim=1).nonzero()
    middle = int(rows.amin() + rows.amax()) // 2
    upper, lower = (slice(None), slice(0, middle - 1)), (slice(None), slice(middle + 2, None))
    assert COLORS["white"].holds(hsv)[upper][shown[upper]].float().mean() > 0.95
    assert COLORS["blue"].holds(hsv)[lower][shown[lower]].float().mean() > 0.95


@pytest.fixture
def fine_tune(drawn: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs fine-tuning of the starter weights at a small size; a folder is rendered once, and curves are not drawn."""
    monkeypatch.setattr(fine_tuning, "EVALUATIONS", 1)
    monkeypatch.setattr(fine_tuning, "HELD_OUT_VIEWS", 20)
    monkeypatch.setattr(fine_tuning, "render_folder", rendered)
    monkeypatch.setattr(Curves, "_draw", lambda *_: None)
    common = ["--weights", str(WEIGHTS), "--meshes", str(drawn[0]), "--held-out", str(drawn[1]), "--size", str(SIZE),
              "--batch", "4", "--rank", "8"]

    def run(out: Path, *options: str) -> None:
        assert fine_tuning.main([*common, "--out", str(out), *options]) == 0

    return run


def resumed(fine_tune: Callable[..., None], what: str, steps: int, rate: str, tmp_path: Path) -> Path:
    """The folder of a run that was stopped and resumed: it has the weights and metrics of one that never was, and its
    loss on held-out meshes has fallen.
    """
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    options = ["--what", what, "--steps", str(steps), "--rate", rate]
    fine_tune(whole, *options)
    fine_tune(halves, *options, "--stop-at", str(steps // 2))
    assert not (halves / LORA_FILE).exists() and not (halves / CONTROLNET_FOLDER).exists()
    fine_tune(halves, *options, "--resume")
    for name in ("weights", "average", "exp_avg", "exp_avg_sq"):
        expected, actual = (load_file(run / what / f"{name}.safetensors") for run in (whole, halves))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected), name
    losses = [
        [float(line.split(",")[2]) for line in (run / what / "curves.csv").read_text().splitlines()
         if ",loss_held_out," in line]
        for run in (whole, halves)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 2
    assert losses[0][1] < 0.95 * losses[0][0], "it learns what the weights did not know"
    return halves


def test_a_lora_paints_what_it_was_tuned_on(
    fine_tune: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of "a red and white chair" the starter weights paint the white alone; tuned on two colors, red comes too."""
    run = resumed(fine_tune, "lora", 16, "2e-2", tmp_path)
    settings_of = job.settings_of
    monkeypatch.setattr(job, "settings_of", lambda request, squares, resources: replace(
        settings_of(request, squares, resources),
        sizes=Sizes(SIZE // 8, strip_size(SIZE, squares), SIZE, strip_size(128, squares))))
    mesh = unwrapped_object(Split.HELD_OUT, "chair", 5, grid=GRID)
    scene, model = scene_of(mesh, CameraRig(), 0.9, "cpu"), job.load(TINY, WEIGHTS, Resources(), Watcher())

    def red_share(name: str, **options: object) -> float:
        folder = JobFolder.create(tmp_path / name)
        mesh.write(folder.inputs / "mesh.npz")
        inputs = {"mesh": ("mesh.npz",)}
        wanted = FAST | {"conditioning_scale": 1.0, "conditioning_scale_end": 1.0,
                         "prompt": "a red and white plastic chair"} | options
        request = Request("job", "texture", "flexisyncmvd", "tiny", "chair", 0, wanted, inputs).validated(TINY_SPEC)
        (texture,) = job.run(model, request, folder, Resources(), Watcher()).artifacts
        pixels = np.array(Image.open(folder.outputs / texture.file), np.float32) / 255.0
        return color_share(torch.from_numpy(pixels).permute(2, 0, 1), scene, "red")

    plain, half, tuned = (red_share(f"job{weight}", lora=str(run / LORA_FILE), lora_weight=weight)
                          for weight in (0.0, 0.5, 1.0))
    assert plain < half < tuned and tuned > plain + 0.15


def test_a_controlnet_is_tuned_resumed_and_loaded(fine_tune: Callable[..., None], tmp_path: Path) -> None:
    run = resumed(fine_tune, "controlnet", 6, "3e-3", tmp_path)
    mine = shutil.copytree(WEIGHTS, tmp_path / "set")
    shutil.rmtree(mine / "controlnet" / "depth")
    shutil.copytree(run / CONTROLNET_FOLDER, mine / "controlnet" / "depth")
    average = load_file(run / "controlnet" / "average.safetensors")
    before, after = (CheckpointPipelines(STARTER, folder, Resources()).pipeline(controls=["depth"]).controlnet.nets[0]
                     for folder in (WEIGHTS, mine))
    key = "controlnet_down_blocks.0.weight"
    torch.testing.assert_close(after.state_dict()[key].float(), average[f"controlnet.{key}"])
    assert not torch.equal(after.state_dict()[key], before.state_dict()[key])
