# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tuning on a folder of textured meshes: what is rendered of them, resuming, and that the results are loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from safetensors.torch import load_file, save_file

from backend.contract import BadInput, PaintedMesh, Resources
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice, Lora
from backend.pipelines.flexisyncmvd.checkpoint.pipeline import CheckpointPipelines
from backend.pipelines.flexisyncmvd.training.captions import words
from backend.pipelines.flexisyncmvd.training.export import write_set
from backend.pipelines.flexisyncmvd.training.fine_tuning import LORA_FILE, main
from backend.pipelines.flexisyncmvd.training.networks import new_autoencoder, new_denoiser
from backend.pipelines.flexisyncmvd.training.presets import PRESETS
from backend.pipelines.flexisyncmvd.training.textured_meshes import (
    CAPTIONS,
    read_textured_mesh,
    render_folder,
    render_textured_mesh,
)
from backend.pipelines.flexisyncmvd.training.vocabulary import read_vocabulary, write_vocabulary
from backend.pipelines.flexisyncmvd.weight_sets import STARTER

from .painted_meshes import painted_box

SIZE = 64
RED, BLUE = (200, 30, 30), (30, 30, 200)


def _textured(mesh: PaintedMesh, color: tuple[int, int, int]) -> trimesh.Trimesh:
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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained set of weights."""
    run, preset = tmp_path_factory.mktemp("run"), PRESETS["smoke"]
    write_vocabulary(run / "tokenizer", words())
    torch.manual_seed(0)
    (run / "autoencoder").mkdir()
    save_file(new_autoencoder(preset).state_dict(), run / "autoencoder" / "normalized.safetensors")
    (run / "denoiser").mkdir()
    denoiser = new_denoiser(preset, read_vocabulary(run / "tokenizer"))
    save_file(dict(denoiser.named_parameters()), run / "denoiser" / "average.safetensors")
    write_set(run, preset, run / "set")
    return run / "set"


def test_views_show_the_textures_from_their_sides(folder: Path) -> None:
    views = render_textured_mesh(read_textured_mesh(folder / "two.glb"), "a box", SIZE, "cpu")
    assert views.captions[4] == "a box, front view."
    assert views.captions[0] == "a box, back view."
    for view, color in ((4, RED), (0, BLUE)):
        shown = views.pictures[view, :3][:, views.pictures[view, 3] > 0]
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


@pytest.mark.parametrize("what", ["lora", "controlnet"])
def test_a_resumed_run_takes_the_same_steps_and_its_result_is_loaded(
    what: str, folder: Path, weights: Path, tmp_path: Path
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    options = ["--weights", str(weights), "--meshes", str(folder), "--size", str(SIZE), "--batch", "2", "--steps", "4",
               "--what", what, "--rank", "2", "--rate", "1e-2"]
    assert main([*options, "--out", str(whole)]) == 0
    assert main([*options, "--out", str(halves), "--stop-at", "2"]) == 0
    assert main([*options, "--out", str(halves), "--resume"]) == 0
    expected, actual = (load_file(run / what / "average.safetensors") for run in (whole, halves))
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)

    layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    pipelines = CheckpointPipelines(STARTER, weights, Resources())
    before = pipelines.pipeline(controls=["depth"])
    plain = before.unet.get_submodule(layer).weight.clone()
    if what == "lora":
        choice = CheckpointChoice(loras=(Lora(halves / LORA_FILE),))
        tuned = pipelines.pipeline(choice, controls=["depth"]).unet.get_submodule(layer).weight
        product = actual[f"unet.{layer}.up"] @ actual[f"unet.{layer}.down"]
        assert product.abs().max() > 1e-5
        torch.testing.assert_close(tuned - plain, product, rtol=1e-2, atol=1e-5)
    else:
        tuned = load_file(halves / "controlnet" / "diffusion_pytorch_model.safetensors")
        key = "controlnet_down_blocks.0.weight"
        torch.testing.assert_close(tuned[key], actual[f"controlnet.{key}"])
        assert not torch.equal(tuned[key], before.controlnet.nets[0].state_dict()[key])
