# SPDX-License-Identifier: GPL-3.0-or-later
"""The same tiny checkpoint as a set of weights, a diffusers folder and a single file: the same networks."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice
from backend.pipelines.flexisyncmvd.checkpoint.components import Components
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.plan import plan_checkpoint

from .checkpoint_forms import LONGEST, TEXT_WIDTH, write_diffusers_folder, write_single_file


@pytest.fixture(scope="module")
def other(family, tmp_path_factory) -> Path:
    """Somebody's own checkpoint of the same family."""
    return write_diffusers_folder(tmp_path_factory.mktemp("own") / "mine", family, seed=100)


def library(weights: Path, dtype: torch.dtype = torch.float32) -> CheckpointLibrary:
    return CheckpointLibrary(weights, dtype, "cpu", published=False)


@torch.no_grad()
def outputs(components: Components) -> dict[str, torch.Tensor]:
    """What every network makes of fixed inputs."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    ids = torch.stack([torch.tensor(tokenizer("a red chair", padding="max_length", max_length=LONGEST).input_ids)
                       for tokenizer in components.tokenizers[:1]])
    states = [encoder(ids, output_hidden_states=True) for encoder in components.text_encoders]
    text = torch.cat([state.hidden_states[-2] for state in states], dim=-1).expand(2, -1, -1)
    added = {}
    if components.family == "sdxl":
        added = {"text_embeds": states[1].text_embeds.expand(2, -1), "time_ids": torch.full((2, 6), 64.0)}
    dtype = components.dtype
    return {
        "text": text,
        "unet": components.unet(latents.to(dtype), 500, text.to(dtype), added_cond_kwargs=added).sample,
        "image": components.vae.decode(latents.to(components.vae.dtype)).sample,
        "latent": components.vae.encode(torch.rand(1, 3, 32, 32, generator=generator).to(components.vae.dtype))
        .latent_dist.mean,
    }


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    for name, value in first.items():
        assert torch.isfinite(value).all(), name
        torch.testing.assert_close(value, second[name], msg=name)


def test_all_forms_of_a_checkpoint_compute_the_same(family, weights, other, tmp_path):
    single = write_single_file(tmp_path / "mine.safetensors", other, family)
    loaded = library(weights)
    own = outputs(loaded.components())
    as_folder = outputs(loaded.components(CheckpointChoice(other)))
    as_index = outputs(loaded.components(CheckpointChoice(other / "model_index.json")))
    as_file = outputs(loaded.components(CheckpointChoice(single)))
    assert_same(as_folder, as_file)
    assert_same(as_folder, as_index)
    assert all(not torch.allclose(own[name], as_folder[name], atol=1e-3) for name in own), "the base came instead"
    again = shutil.copytree(weights, tmp_path / "set")
    shutil.rmtree(again / "base")
    shutil.copytree(other, again / "base")
    assert_same(as_folder, outputs(library(again).components()))


def test_the_libraries_own_loaders_read_the_same(family, weights, other, tmp_path):
    """diffusers and transformers load folders by other code, and single files with their configurations at hand."""
    base, loaded = weights / "base", library(weights)
    components = loaded.components(controls=("depth",), image=True)
    kinds = (CLIPTextModel, CLIPTextModelWithProjection)
    ids = torch.tensor([[0, 5, 9, 1] + [1] * (LONGEST - 4)])
    with torch.no_grad():
        for index, encoder in enumerate(components.text_encoders):
            name = "text_encoder_2" if index else "text_encoder"
            own = kinds[index].from_pretrained(base / name)(ids, output_hidden_states=True)
            torch.testing.assert_close(encoder(ids, output_hidden_states=True).hidden_states, own.hidden_states)
        pixels = torch.rand(1, 3, 28, 28)
        encoder = CLIPVisionModelWithProjection.from_pretrained(weights / "ip_adapter" / "image_encoder")
        torch.testing.assert_close(components.image_encoder(pixels).image_embeds, encoder(pixels).image_embeds)
    single = write_single_file(tmp_path / "mine.safetensors", other, family)
    from_file = loaded.components(CheckpointChoice(single))
    same_states(components.controlnets["depth"],
                ControlNetModel.from_pretrained(weights / "controlnet" / "depth"))
    same_states(components.vae, AutoencoderKL.from_pretrained(base / "vae"))
    local = {"config": str(base), "local_files_only": True}
    same_states(from_file.unet, UNet2DConditionModel.from_single_file(str(single), subfolder="unet", **local))
    same_states(from_file.vae, AutoencoderKL.from_single_file(str(single), subfolder="vae", **local))


def same_states(first: torch.nn.Module, second: torch.nn.Module) -> None:
    torch.testing.assert_close(dict(first.state_dict()), dict(second.state_dict()), rtol=0, atol=0)


def test_networks_are_frozen_complete_and_of_their_family(family, weights):
    components = library(weights).components(controls=("canny",), image=True)
    assert components.family == family
    assert len(components.text_encoders) == len(components.tokenizers) == (2 if family == "sdxl" else 1)
    assert list(components.controlnets) == ["canny"]
    networks = [components.unet, components.vae, *components.text_encoders, *components.controlnets.values(),
                components.image_encoder]
    for network in networks:
        assert not network.training
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            assert not tensor.is_meta and not tensor.requires_grad, name
    assert components.scheduler_config["beta_end"] == 0.012 and components.prediction_type == "epsilon"


def test_a_unet_alone_takes_the_rest_from_the_base(family, weights, other, tmp_path):
    single = write_single_file(tmp_path / "pruned.safetensors", other, family, parts=("unet",))
    loaded = library(weights)
    own, pruned = outputs(loaded.components()), outputs(loaded.components(CheckpointChoice(single)))
    for name in ("text", "image", "latent"):
        torch.testing.assert_close(own[name], pruned[name], msg=name)
    assert not torch.allclose(own["unet"], pruned["unet"], atol=1e-3)


def test_half_precision_keeps_a_vae_wide_that_would_overflow(family, weights, other, tmp_path):
    """SDXL's own VAE, which single files bring, overflows in half precision; the mended one does not."""
    single = write_single_file(tmp_path / "mine.safetensors", other, family)
    loaded = library(weights, torch.float16)
    published, own = loaded.components(), loaded.components(CheckpointChoice(single))
    assert published.dtype == published.vae.dtype == own.dtype == torch.float16
    assert own.vae.dtype == (torch.float32 if family == "sdxl" else torch.float16)
    assert own.text_encoders[0].dtype == torch.float16


def test_half_precision_files_are_read_in_any_dtype(family, weights, tmp_path):
    folder = write_diffusers_folder(tmp_path / "half", family, seed=100, fp16=True)
    assert (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").is_file()
    components = library(weights).components(CheckpointChoice(folder))
    assert {parameter.dtype for parameter in components.unet.parameters()} == {torch.float32}


def test_names_of_2022_are_understood(weights, tmp_path):
    """Old VAE files name their attention differently (query, proj_attn)."""
    old = shutil.copytree(weights, tmp_path / "old")
    path = old / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    tensors = load_file(path)
    for new, before in names.items():
        tensors = {name.replace(new, before): tensor for name, tensor in tensors.items()}
    assert any("proj_attn" in name for name in tensors)
    save_file(tensors, path)
    assert_same(outputs(library(weights).components()), outputs(library(old).components()))


def test_shards_are_joined(family, weights, tmp_path):
    split = shutil.copytree(weights, tmp_path / "split")
    path = split / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = list(load_file(path).items())
    save_file(dict(tensors[::2]), path.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))
    save_file(dict(tensors[1::2]), path.with_name("diffusion_pytorch_model-00002-of-00002.safetensors"))
    path.unlink()
    assert_same(outputs(library(weights).components()), outputs(library(split).components()))


def test_what_the_next_job_needs_is_kept_and_the_rest_let_go(weights, other):
    loaded = library(weights)
    read: list[str] = []
    first = loaded.components(controls=("depth",), report=read.append)
    assert {"UNet", "VAE", "text encoder", "depth ControlNet"} <= set(read)
    read.clear()
    second = loaded.components(controls=("depth", "canny"), report=read.append)
    assert set(read) == {"canny ControlNet"}
    assert second.unet is first.unet and second.controlnets["depth"] is first.controlnets["depth"]
    read.clear()
    third = loaded.components(CheckpointChoice(other), controls=("depth",), report=read.append)
    assert "UNet" in read and "depth ControlNet" not in read
    assert third.unet is not first.unet and third.controlnets["depth"] is first.controlnets["depth"]
    canny, second = weakref.ref(second.controlnets["canny"]), None
    gc.collect()
    assert canny() is None, "a ControlNet that is not needed still takes memory"


def test_a_cancelled_load_leaves_the_library_usable(weights):
    class Cancelled(Exception):
        pass

    def cancel_at_vae(component: str) -> None:
        if component == "VAE":
            raise Cancelled

    loaded = library(weights)
    with pytest.raises(Cancelled):
        loaded.components(report=cancel_at_vae)
    assert loaded.components().unet is not None


def test_a_file_that_says_so_predicts_velocity(family, weights, other, tmp_path):
    marked = write_single_file(tmp_path / "marked.safetensors", other, family, {"v_pred": torch.tensor([])})
    told = write_single_file(tmp_path / "told.safetensors", other, family,
                             remarks={"modelspec.prediction_type": "v"})
    folder = write_diffusers_folder(tmp_path / "folder", family, prediction_type="v_prediction")

    def schedule(path: Path, **choice: str) -> dict:
        return plan_checkpoint(weights, CheckpointChoice(path, **choice), published=False).scheduler_config

    for path in (marked, told, folder):
        assert schedule(path)["prediction_type"] == "v_prediction", path.name
    assert schedule(marked, prediction="epsilon")["prediction_type"] == "epsilon"
    assert schedule(other)["prediction_type"] == "epsilon" and "rescale_betas_zero_snr" not in schedule(marked)
    assert schedule(other, prediction="v_prediction")["prediction_type"] == "v_prediction"
    rescaled = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    single = write_single_file(tmp_path / "zero.safetensors", other, family, rescaled)
    assert schedule(single)["rescale_betas_zero_snr"] is True


def test_the_image_adapter_changes_the_unet_and_leaves_it_again(family, weights):
    loaded = library(weights)
    before = outputs(loaded.components())
    components = loaded.components(image=True)
    assert components.image_encoder is not None and set(components.ip_adapter) == {"image_proj", "ip_adapter"}
    unet, width = components.unet, TEXT_WIDTH * (2 if family == "sdxl" else 1)
    added = {"text_embeds": torch.zeros(2, TEXT_WIDTH), "time_ids": torch.full((2, 6), 64.0)} \
        if family == "sdxl" else {}
    text = torch.randn(2, LONGEST, width, generator=torch.Generator().manual_seed(4))
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    results = []
    for seed in (6, 7):
        images = [torch.randn(2, 1, 5, 16, generator=torch.Generator().manual_seed(seed))]
        with torch.no_grad():
            results.append(unet(latents, 500, text, added_cond_kwargs={**added, "image_embeds": images}).sample)
    assert not torch.allclose(*results, atol=1e-4), "the image has no influence"
    assert_same(before, outputs(loaded.components()))
    assert not any("to_k_ip" in name for name in loaded.components().unet.state_dict())
