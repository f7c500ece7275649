# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints made smaller, and LoRAs with more than a LoRA: read right, with a remark, or refused as what they are."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.pipelines.common.checkpoint import check_finite
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice, Lora

from .checkpoint_forms import write_diffusers_folder, write_single_file
from .test_checkpoint_lora import kohya, library, linear_layers, weights_of


@pytest.fixture
def single(tmp_path: Path, family: str) -> Path:
    """Another checkpoint of the family, in one file."""
    return write_single_file(tmp_path / "one.safetensors", write_diffusers_folder(tmp_path / "own", family, seed=100),
                             family)


def fp8(path: Path, end: str, rows: bool) -> Path:
    """The file with the UNet's matrices as fp8 and a scale next to each."""
    made = {"scaled_fp8": torch.zeros(0, dtype=torch.float8_e4m3fn)}
    for name, tensor in load_file(path).items():
        if tensor.ndim == 2 and "diffusion_model" in name and name.endswith(".weight"):
            scale = (tensor.abs().amax(dim=1, keepdim=True) if rows else tensor.abs().max()) / 448
            made[name] = (tensor / scale).to(torch.float8_e4m3fn)
            made[name.replace(".weight", end)] = scale.reshape(-1).float()
            made[name.replace(".weight", ".scale_input")] = torch.ones(1)
        else:
            made[name] = tensor
    save_file(made, path.with_name("scaled.safetensors"))
    return path.with_name("scaled.safetensors")


@pytest.mark.parametrize(("end", "rows"), [(".scale_weight", False), (".weight_scale", False), (".weight_scale", True)])
def test_scaled_fp8_is_multiplied(weights, single, end, rows):
    plain = weights_of(library(weights).components(CheckpointChoice(single)))
    found = weights_of(library(weights).components(CheckpointChoice(fp8(single, end, rows))))
    for place, tensor in plain.items():
        assert (found[place] - tensor).abs().max() <= 0.07 * tensor.abs().max() + 1e-6, place


@pytest.mark.parametrize(("extra", "words"), [
    ({"model.diffusion_model.x.weight.absmax": torch.ones(4)}, "bitsandbytes"),
    ({"model.diffusion_model.x.qweight": torch.ones(4, dtype=torch.int32)}, "GPTQ or AWQ"),
])
def test_other_quantizations_are_refused_by_name(weights, single, extra, words):
    save_file(load_file(single) | extra, single)
    with pytest.raises(CheckpointError, match=words):
        library(weights).components(CheckpointChoice(single))


def test_integers_in_the_place_of_weights_are_refused(weights, single):
    tensors = load_file(single)
    name = "model.diffusion_model.input_blocks.0.0.weight"
    save_file(tensors | {name: tensors[name].to(torch.int8)}, single)
    with pytest.raises(CheckpointError, match="holds int8: it is quantized"):
        library(weights).components(CheckpointChoice(single))


@pytest.mark.parametrize(("extra", "words"), [
    ({"bundle_emb.mine.clip_l": torch.zeros(2, 16)}, "embeddings"),
    ({"lora_unet_conv_norm_out.w_norm": torch.zeros(8), "lora_unet_conv_norm_out.b_norm": torch.zeros(8)}, "norms"),
])
def test_a_lora_with_more_is_used_with_a_remark(weights, family, tmp_path, extra, words):
    matrices, path = kohya(linear_layers(family), family), tmp_path / "style.safetensors"
    save_file(matrices, path)
    plain = library(weights).components(CheckpointChoice(loras=(Lora(path, 1.0),)))
    save_file(matrices | extra, path)
    found = library(weights).components(CheckpointChoice(loras=(Lora(path, 1.0),)))
    assert not plain.remarks and len(found.remarks) == 1 and words in found.remarks[0]
    both = weights_of(plain), weights_of(found)
    assert all(torch.equal(both[0][place], both[1][place]) for place in both[0])


@pytest.mark.parametrize("name", ["emb_params", "clip_g"])
def test_an_embedding_is_refused_as_one(weights, tmp_path, name):
    save_file({name: torch.zeros(2, 16)}, tmp_path / "style.safetensors")
    with pytest.raises(CheckpointError, match="It is an embedding"):
        library(weights).components(CheckpointChoice(loras=(Lora(tmp_path / "style.safetensors", 1.0),)))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_no_numbers_are_found_when_a_file_is_read(weights, single, value):
    tensors = load_file(single)
    name = next(name for name in tensors if name.startswith("model.diffusion_model") and name.endswith(".weight"))
    tensors[name].view(-1)[3] = value
    save_file(tensors, single)
    with pytest.raises(CheckpointError, match="not numbers") as error:
        library(weights).components(CheckpointChoice(single))
    assert "Choose another file" in str(error.value)


def test_large_half_precision_values_are_numbers():
    check_finite("a", {"x": torch.tensor([60_000.0, 65_000.0]).half(), "y": torch.tensor([1]), "z": torch.zeros(0)})
