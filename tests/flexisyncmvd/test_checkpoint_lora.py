# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs in the forms that trainers write, added to tiny networks."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from safetensors.torch import save_file
from torch import Tensor, nn

from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice, Lora
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.lora_names import module_names, original_name
from backend.pipelines.flexisyncmvd.checkpoint.networks import empty_network
from backend.pipelines.flexisyncmvd.published_networks import CONFIGS

from .checkpoint_forms import TINY_UNET, base_networks

RANK, ALPHA = 3, 1.5
Matrices = dict[tuple[str, str], tuple[Tensor, Tensor]]
"""down and up by network and layer, the layers named as published."""


def linear_layers(family: str) -> Matrices:
    """A LoRA of every linear layer in the UNet's attention and in the text encoders."""
    generator = torch.Generator().manual_seed(1)
    matrices = {}
    for network, whole in base_networks(family, 0).items():
        for name, module in whole.named_modules():
            wanted = isinstance(module, nn.Linear) and (network != "unet" or "attentions" in name)
            if not wanted or network == "vae":
                continue
            published = name if network == "unet" or name.startswith("text_") else f"text_model.{name}"
            down = torch.randn(RANK, module.in_features, generator=generator)
            matrices[network, published] = down, torch.randn(module.out_features, RANK, generator=generator)
    return matrices


def kohya(matrices: Matrices, family: str, original: bool = False) -> dict[str, Tensor]:
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if family == "sdxl" else "lora_te_",
                "text_encoder_2": "lora_te2_"}
    unet, tensors = UNet2DConditionModel.from_config(TINY_UNET[family]), {}
    for (network, layer), (down, up) in matrices.items():
        name = original_name(layer, unet) if original and network == "unet" else layer
        stem = prefixes[network] + name.replace(".", "_")
        tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up,
                    f"{stem}.alpha": torch.tensor(ALPHA)}
    return tensors


def kohya_original(matrices: Matrices, family: str) -> dict[str, Tensor]:
    return kohya(matrices, family, original=True)


def peft(matrices: Matrices, _family: str) -> dict[str, Tensor]:
    """As diffusers saves it today. Its scale is in the matrices."""
    tensors = {}
    for (network, layer), (down, up) in matrices.items():
        tensors |= {f"{network}.{layer}.lora_A.weight": down * ALPHA / RANK, f"{network}.{layer}.lora_B.weight": up}
    return tensors


def diffusers_of_2023(matrices: Matrices, _family: str) -> dict[str, Tensor]:
    tensors = {}
    for (network, layer), (down, up) in matrices.items():
        attention = re.fullmatch(r"(.*attn\d)\.(to_q|to_k|to_v|to_out\.0)", layer)
        if network == "unet" and attention:
            stem = f"unet.{attention[1]}.processor.{attention[2].removesuffix('.0')}_lora"
        elif network == "unet":
            stem = f"unet.{layer}.lora"
        else:
            stem = f"{network}.{layer}.lora_linear_layer"
        tensors |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up * ALPHA / RANK}
    return tensors


FORMS: tuple[Callable[[Matrices, str], dict[str, Tensor]], ...] = (kohya, kohya_original, peft, diffusers_of_2023)


def weights_of(components) -> dict[tuple[str, str], Tensor]:
    networks = {"unet": components.unet} | dict(
        zip(("text_encoder", "text_encoder_2"), components.text_encoders, strict=False))
    return {(network, name.removeprefix("text_model.")): tensor
            for network, whole in networks.items() for name, tensor in whole.state_dict().items()}


def library(weights: Path) -> CheckpointLibrary:
    return CheckpointLibrary(weights, torch.float32, "cpu", published=False)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_adds_the_same_to_the_weights(family, weights, form, tmp_path):
    matrices, path = linear_layers(family), tmp_path / "style.safetensors"
    save_file(form(matrices, family), path)
    loaded = library(weights)
    before = weights_of(loaded.components())
    after = weights_of(loaded.components(CheckpointChoice(loras=(Lora(path, 0.5),))))
    expected = {(network, f"{layer.removeprefix('text_model.')}.weight"): 0.5 * ALPHA / RANK * up @ down
                for (network, layer), (down, up) in matrices.items()}
    assert expected.keys() <= before.keys()
    for place, weight in before.items():
        torch.testing.assert_close(after[place], weight + expected.get(place, 0.0), msg=str(place))


def test_the_fused_network_computes_what_the_two_branches_would(weights, family, tmp_path):
    """Against the layer with its LoRA beside it, at run time."""
    matrices, path = linear_layers(family), tmp_path / "style.safetensors"
    save_file(kohya(matrices, family), path)
    loaded = library(weights)
    fused = loaded.components(CheckpointChoice(loras=(Lora(path),))).unet
    beside = loaded.components().unet
    for (network, layer), (down, up) in matrices.items():
        if network == "unet":
            beside.get_submodule(layer).register_forward_hook(
                lambda _module, given, made, down=down, up=up: made + ALPHA / RANK * given[0] @ down.T @ up.T)
    generator = torch.Generator().manual_seed(2)
    text = torch.randn(1, 12, fused.config.cross_attention_dim, generator=generator)
    added = {"text_embeds": torch.randn(1, 16, generator=generator), "time_ids": torch.full((1, 6), 64.0)} \
        if family == "sdxl" else {}
    latents = torch.randn(1, 4, 8, 8, generator=generator)
    with torch.no_grad():
        results = [unet(latents, 300, text, added_cond_kwargs=added).sample for unet in (fused, beside)]
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("with_mid", [False, True])
def test_convolutions(weights, family, with_mid, tmp_path):
    """Two or three convolutions in a row are one."""
    generator = torch.Generator().manual_seed(3)
    layer = "down_blocks.0.resnets.0.conv1"
    kernel = torch.randn(2, 2 if with_mid else 8, 3, 3, generator=generator)
    up = torch.randn(8, 2, 1, 1, generator=generator)
    stem = "lora_unet_" + layer.replace(".", "_")
    tensors = {f"{stem}.lora_up.weight": up, f"{stem}.alpha": torch.tensor(2.0)}
    if with_mid:
        down = torch.randn(2, 8, 1, 1, generator=generator)
        tensors |= {f"{stem}.lora_mid.weight": kernel, f"{stem}.lora_down.weight": down}
    else:
        tensors[f"{stem}.lora_down.weight"] = kernel
    save_file(tensors, tmp_path / "conv.safetensors")
    loaded = library(weights)
    before = loaded.components().unet.get_submodule(layer)
    after = loaded.components(CheckpointChoice(loras=(Lora(tmp_path / "conv.safetensors"),))).unet.get_submodule(layer)
    image = torch.randn(1, 8, 6, 6, generator=generator)
    inner = nn.functional.conv2d(image, down) if with_mid else image
    added = nn.functional.conv2d(nn.functional.conv2d(inner, kernel, padding=1), up)
    with torch.no_grad():
        torch.testing.assert_close(after(image), before(image) + added, rtol=1e-4, atol=1e-4)


def one_layer(path: Path, layer: str = "mid_block.attentions.0.proj_in", header: dict | None = None,
              size: int = 16, convolution: bool = True) -> Path:
    ending = (1, 1) if convolution else ()
    tensors = {f"unet.{layer}.lora_A.weight": torch.ones(4, size, *ending),
               f"unet.{layer}.lora_B.weight": torch.ones(size, 4, *ending)}
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(header)} if header else None)
    return path


@pytest.mark.parametrize(("header", "scale"), [
    (None, 1.0),
    ({"unet.lora_alpha": 2, "unet.r": 4}, 0.5),
    ({"unet.lora_alpha": 2, "unet.r": 4, "unet.use_rslora": True}, 1.0),
    ({"unet.lora_alpha": 2, "unet.r": 4, "unet.alpha_pattern": {"attentions.0.proj_in": 12}}, 3.0),
    ({"unet.lora_alpha": 2, "unet.r": 4, "unet.alpha_pattern": {"proj_out": 12}}, 0.5),
])
def test_alpha_from_the_header_of_diffusers(weights, family, header, scale, tmp_path):
    path = one_layer(tmp_path / "lora.safetensors", header=header, convolution=family == "sd15")
    loaded = library(weights)
    layer = ("unet", "mid_block.attentions.0.proj_in.weight")
    difference = weights_of(loaded.components(CheckpointChoice(loras=(Lora(path),))))[layer] - \
        weights_of(loaded.components())[layer]
    torch.testing.assert_close(difference, torch.full_like(difference, 4 * scale))


def test_several_add_up_and_strength_may_be_negative(weights, family, tmp_path):
    path = one_layer(tmp_path / "lora.safetensors", convolution=family == "sd15")
    loaded, layer = library(weights), ("unet", "mid_block.attentions.0.proj_in.weight")
    before = weights_of(loaded.components())[layer]
    after = weights_of(loaded.components(CheckpointChoice(loras=(Lora(path, 1.0), Lora(path, -0.75)))))[layer]
    torch.testing.assert_close(after - before, torch.full_like(before, 1.0))


def test_the_sum_is_rounded_once(weights, family, tmp_path):
    path = one_layer(tmp_path / "lora.safetensors", convolution=family == "sd15")
    choice, layer = CheckpointChoice(loras=(Lora(path, 1e-4),)), ("unet", "mid_block.attentions.0.proj_in.weight")
    wide = weights_of(library(weights).components(choice))[layer]
    half = CheckpointLibrary(weights, torch.float16, "cpu", published=False).components(choice)
    torch.testing.assert_close(weights_of(half)[layer], wide.half(), rtol=0, atol=0)


def refusal(weights: Path, path: Path) -> str:
    loaded = library(weights)
    with pytest.raises(CheckpointError) as caught:
        loaded.components(CheckpointChoice(loras=(Lora(path),)))
    return str(caught.value)


def test_a_lora_of_another_family_is_told_before_anything_is_read(weights, family, tmp_path):
    other = "sdxl" if family == "sd15" else "sd15"
    save_file(kohya(linear_layers(other), other), tmp_path / "other.safetensors")
    read: list[str] = []
    with pytest.raises(CheckpointError, match=r"other\.safetensors does not fit .*lora_.* and \d+ more") as caught:
        library(weights).components(CheckpointChoice(loras=(Lora(tmp_path / "other.safetensors"),)), report=read.append)
    assert not read and "another family" in caught.value.report.why


def test_refusals_say_what_the_file_is(weights, family, tmp_path):
    path = one_layer(tmp_path / "wide.safetensors", size=24, convolution=family == "sd15")
    assert "proj_in is for a layer [24, 24], and it is [16, 16" in refusal(weights, path)
    save_file({"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": torch.ones(16, 4)}, path)
    assert "has one matrix instead of two" in refusal(weights, path)
    save_file({"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": torch.ones(16, 4)}, path)
    assert "It is a LoHa" in refusal(weights, path)
    save_file({"lora_unet_conv_in.diff": torch.ones(8, 4, 3, 3)}, path)
    assert "a full difference" in refusal(weights, path)
    save_file({"conv_in.weight": torch.ones(8, 4, 3, 3)}, path)
    assert "is not a LoRA. It holds conv_in.weight" in refusal(weights, path)
    assert "is missing" in refusal(weights, tmp_path / "gone.safetensors")
    (tmp_path / "old.pt").write_bytes(b"\x80")
    assert "pickled file, which can run a program" in refusal(weights, tmp_path / "old.pt")


def test_names_agree_with_diffusers_own_conversion(family):
    """At full size, for every layer of the UNet: trainers name SDXL's in the original layout, SD 1.5's as diffusers."""
    unet = empty_network("unet", CONFIGS[family]["unet"])
    places = module_names({"unet": unet})
    layers = [name for name, module in unet.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    written: dict[str, Tensor] = {}
    for index, layer in enumerate(layers):
        original = original_name(layer, unet) if family == "sdxl" else layer
        assert places["unet." + (original_name(layer, unet) or "")] == ("unet", layer)
        stem = "lora_unet_" + (original or "").replace(".", "_")
        assert places[stem] == ("unet", layer)
        written |= {f"{stem}.lora_down.weight": torch.tensor(float(index)), f"{stem}.lora_up.weight": torch.zeros(1)}
    converted, _ = _convert_non_diffusers_lora_to_diffusers(_maybe_map_sgm_blocks_to_diffusers(written, unet.config))
    for name, marked in converted.items():
        stem = re.sub(r"[._]lora\.(down|up)\.weight$", "", name).replace(".processor", "")
        if ".down." in name:
            assert places[stem] == ("unet", layers[int(marked)]), name
