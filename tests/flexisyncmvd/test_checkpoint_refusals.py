# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are no checkpoint of the two families: each is told what it is, before anything is read."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd.checkpoint.choice import CHECKPOINT_PARAMETERS, CheckpointChoice, Lora, chosen
from backend.pipelines.flexisyncmvd.checkpoint.files import Stored
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.single_file import converted

from .checkpoint_forms import write_diffusers_folder, write_set, write_single_file

UNET = "model.diffusion_model."
IN = f"{UNET}input_blocks.0.0.weight"
CROSS = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("models") / "sd15", "sd15")


def refusal(weights: Path, path: Path) -> str:
    read: list[str] = []
    library = CheckpointLibrary(weights, torch.float32, "cpu", published=False)
    with pytest.raises(CheckpointError) as caught:
        library.components(CheckpointChoice(path), report=read.append)
    assert not read, "something was read before the file was refused"
    return str(caught.value)


@pytest.mark.parametrize(("shapes", "words"), [
    ({IN: (320, 9, 3, 3)}, "an inpainting model, whose network also takes a mask"),
    ({IN: (320, 8, 3, 3)}, "a model that edits images"),
    ({IN: (320, 5, 3, 3)}, "a depth map"),
    ({IN: (320, 7, 3, 3)}, "takes 7 channels instead of 4"),
    ({IN: (320, 4, 3, 3), CROSS: (320, 1024)}, "Stable Diffusion 2 family"),
    ({IN: (320, 4, 3, 3), "cond_stage_model.model.ln_final.weight": (1024,)}, "Stable Diffusion 2 family"),
    ({IN: (384, 4, 3, 3), f"{UNET}label_emb.0.0.weight": (1536, 2560),
      "conditioner.embedders.0.model.ln_final.weight": (1280,)}, "SDXL's refiner"),
    ({f"{UNET}joint_blocks.0.x_block.attn.qkv.weight": (8, 8)}, "Stable Diffusion 3 family"),
    ({f"{UNET}double_blocks.0.img_attn.qkv.weight": (8, 8)}, "Flux family"),
    ({"lora_unet_conv_in.lora_down.weight": (4, 4)}, "a LoRA, an addition to a checkpoint. A checkpoint"),
    ({"unet.conv_in.lora_A.weight": (4, 4)}, "Choose it as LoRA"),
    ({"control_model.input_hint_block.0.weight": (4, 4)}, "It is a ControlNet"),
    ({"image_proj.latents": (1, 4, 4)}, "It is an IP-Adapter"),
    ({"emb_params": (1, 768)}, "a textual inversion"),
    ({"down_blocks.0.resnets.0.conv1.weight": (4, 4)}, "a network of diffusers without its folder"),
    ({"first_stage_model.encoder.conv_in.weight": (4, 3)}, "a VAE alone"),
    ({"something": (1,)}, "not a checkpoint that Meshwright knows"),
])
def test_other_files_are_told_what_they_are(weights, shapes, words, tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({name: torch.zeros(shape, dtype=torch.uint8) for name, shape in shapes.items()}, path)
    assert words in refusal(weights, path)


@pytest.mark.parametrize("ending", [".ckpt", ".pt", ".bin"])
def test_pickled_files_are_not_opened(weights, ending, tmp_path):
    class Opened:
        def __reduce__(self):
            return Path.touch, (tmp_path / "it-ran",)

    torch.save({"model": Opened()}, tmp_path / f"model{ending}")
    assert "It is a pickled file, which can run a program when it is opened." in \
        refusal(weights, tmp_path / f"model{ending}")
    assert not (tmp_path / "it-ran").exists()


def test_damaged_missing_and_foreign_files(weights, tmp_path):
    damaged = tmp_path / "cut.safetensors"
    whole = write_single_file(tmp_path / "whole.safetensors", weights / "base", "sd15")
    damaged.write_bytes(whole.read_bytes()[:100_000])
    assert "cut.safetensors cannot be read. The file is damaged" in refusal(weights, damaged)
    damaged.write_bytes(b"<html>Not found</html>")
    assert "cannot be read" in refusal(weights, damaged)
    assert "does not exist" in refusal(weights, tmp_path / "gone.safetensors")


def test_the_other_family_wants_other_weights(weights, tmp_path):
    folder = write_diffusers_folder(tmp_path / "xl", "sdxl")
    words = "It is of the family Stable Diffusion XL, they are Stable Diffusion 1.5. Choose the weights of Stable " \
        "Diffusion XL"
    assert words in refusal(weights, folder)
    assert words in refusal(weights, write_single_file(tmp_path / "xl.safetensors", folder, "sdxl"))


def test_a_single_file_with_a_hole_is_told_by_name(weights, tmp_path):
    path = write_single_file(tmp_path / "wide.safetensors", weights / "base", "sd15",
                             {f"{UNET}middle_block.1.proj_in.weight": torch.zeros(4, 4, 1, 1)})
    assert "mid_block.attentions.0.proj_in.weight has shape [4, 4, 1, 1] instead of [16, 16, 1, 1]" in \
        refusal(weights, path)
    with pytest.raises(CheckpointError, match=r"model\.diffusion_model\.label_emb\.0\.0\.weight is missing"):
        converted(Stored("file", {IN: torch.zeros(1)}), "sdxl", "unet",
                  {"layers_per_block": 2, "addition_embed_type": "text_time"})


def test_folders_that_are_no_checkpoint(weights, tmp_path):
    (tmp_path / "flux" / "transformer").mkdir(parents=True)
    assert "it is of a newer family" in refusal(weights, tmp_path / "flux")
    (tmp_path / "empty").mkdir()
    assert "It holds no unet" in refusal(weights, tmp_path / "empty")
    masked = write_diffusers_folder(tmp_path / "masked", "sd15")
    config = masked / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 9}))
    assert "takes 9 channels instead of 4: it is an inpainting model" in refusal(weights, masked)
    pickled = write_diffusers_folder(tmp_path / "pickled", "sd15")
    unet = pickled / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_suffix(".bin"))
    assert "There is only diffusion_pytorch_model.bin, a pickled file" in refusal(weights, pickled)


def test_a_folder_of_another_width_fits_no_controlnet(weights, tmp_path):
    narrow = write_diffusers_folder(tmp_path / "narrow", "sd15")
    other = write_set(tmp_path / "set", "sd15")
    config = json.loads((other / "base" / "unet" / "config.json").read_text())
    shutil.rmtree(other / "base" / "unet")
    UNet2DConditionModel.from_config(config | {"block_out_channels": [8, 16, 16, 24]}).save_pretrained(
        other / "base" / "unet")
    assert "down_blocks.3.resnets.0.conv1.weight has shape [16, 16, 3, 3] instead of [24, 16, 3, 3]" in \
        refusal(other, narrow)


def test_what_a_set_does_not_hold_is_told(weights, tmp_path):
    library = CheckpointLibrary(weights, torch.float32, "cpu", published=False)
    with pytest.raises(CheckpointError, match=r"cannot follow canny images\. They can follow depth\."):
        library.components(controls=("depth", "canny"))
    with pytest.raises(CheckpointError, match="cannot take an image"):
        library.components(image=True)
    without_words = shutil.copytree(weights, tmp_path / "set")
    (without_words / "base" / "tokenizer" / "vocab.json").unlink()
    with pytest.raises(CheckpointError, match="The vocabulary is missing") as caught:
        CheckpointLibrary(without_words, torch.float32, "cpu", published=False).components()
    assert caught.value.report.remedy == "download"


def test_options_become_a_choice(tmp_path):
    values = {parameter.name: parameter.default for parameter in CHECKPOINT_PARAMETERS}
    assert chosen(values) == CheckpointChoice()
    values |= {"checkpoint": "/a/b.safetensors", "prediction": "v_prediction", "lora": "/a/c.safetensors",
               "lora_weight": 0.7, "lora_2": "/a/d.safetensors", "lora_2_weight": 0.0, "lora_3_weight": 2.0}
    assert chosen(values) == CheckpointChoice(Path("/a/b.safetensors"), (Lora(Path("/a/c.safetensors"), 0.7),),
                                              "v_prediction")
    given = {parameter.name: parameter.validated(parameter.default) for parameter in CHECKPOINT_PARAMETERS}
    assert chosen(given) == CheckpointChoice()
