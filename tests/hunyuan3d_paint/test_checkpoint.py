# SPDX-License-Identifier: GPL-3.0-or-later
"""All published tensors find their places, and a tiny pipeline survives its own files in the published form."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from backend.pipelines.common.checkpoint import StoredTensors, empty, fill, shapes_of
from backend.pipelines.common.checkpoint_shapes import CheckpointError, read_manifest, stored_shapes
from backend.pipelines.common.image_encoder import encoder_shapes
from backend.pipelines.common.rrdbnet import RRDBNet
from backend.pipelines.hunyuan3d_paint import checkpoint
from backend.pipelines.hunyuan3d_paint.checkpoint import (
    current_vae_name,
    empty_vae,
    load_published,
    of_painting,
    of_reference,
    read_scheduler,
)
from backend.pipelines.hunyuan3d_paint.pipeline import Hunyuan3DPaintPipeline
from backend.pipelines.hunyuan3d_paint.sampling import SCHEDULE
from backend.pipelines.hunyuan3d_paint.unet import (
    PaintUNet,
    ReferenceUNet,
    is_of_reference,
    own_name,
    published_name,
)

MANIFESTS = Path(__file__).parent / "manifests"
UPSCALER = Path(__file__).parents[1] / "pipelines" / "common" / "manifests" / "realesrgan-x4plus.json"


def published(path: Path, prefix: str = "") -> StoredTensors:
    """A published file whose tensors take no memory."""
    shapes = {name.removeprefix(prefix): shape for name, shape in read_manifest(path).items()}
    return StoredTensors(path.name, shapes, lambda name: torch.empty(shapes[name], device="meta"))


@pytest.mark.parametrize(("path", "prefix", "networks", "tensors", "numbers"), [
    (MANIFESTS / "unet.json", "", {PaintUNet: of_painting, ReferenceUNet: of_reference}, 1747, 1_962_246_472),
    (MANIFESTS / "vae.json", "", {empty_vae: lambda stored: stored.renamed(current_vae_name)}, 248, 83_653_863),
    (UPSCALER, "params_ema.", {RRDBNet: lambda stored: stored}, 702, 16_697_987),
], ids=["unets", "autoencoder", "upscaler"])
def test_every_published_tensor_has_its_place(path, prefix, networks, tensors, numbers):
    stored = published(path, prefix)
    filled = [
        fill(network := empty(make), part(stored).checked(shapes_of(network)), torch.float16, "meta")
        for make, part in networks.items()
    ]
    assert sum(len(network.state_dict()) for network in filled) == len(stored.shapes) == tensors
    assert sum(parameter.numel() for network in filled for parameter in network.parameters()) == numbers


def test_the_four_files_hold_as_many_tensors_as_published():
    files = [read_manifest(path) for path in (MANIFESTS / "unet.json", MANIFESTS / "vae.json", UPSCALER)]
    assert sum(map(len, [*files, encoder_shapes("dinov2-giant")])) == 3424


def test_names_lead_there_and_back():
    for name in read_manifest(MANIFESTS / "unet.json"):
        assert published_name(own_name(name)) == name
    assert is_of_reference(own_name("unet.learned_text_clip_ref"))
    assert not is_of_reference(own_name("unet.learned_text_clip_mr"))


def write_published(folder: Path, pipeline: Hunyuan3DPaintPipeline) -> dict[str, torch.Tensor]:
    """The tiny networks in files of the published form; returns the UNets' tensors by published names."""
    both = {published_name(name): value.half() for network in (pipeline.unet, pipeline.reference_unet)
            for name, value in network.state_dict().items()}
    old = {now: before for before, now in checkpoint.LEGACY_ATTENTION.items()}
    vae = {}
    for name, value in pipeline.vae.state_dict().items():
        for now, before in old.items():
            if "attentions" in name:
                name = name.replace(f".{now}.", f".{before}.")
        vae[name] = value
    for path, content in ((checkpoint.UNET, both), (checkpoint.VAE, vae),
                          (Path(checkpoint.UPSCALER), {"params_ema": pipeline.upscaler.state_dict()})):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, folder / path)
    (folder / checkpoint.SCHEDULER).parent.mkdir()
    (folder / checkpoint.SCHEDULER).write_text(json.dumps(dict(SCHEDULE)))
    pipeline.image_encoder.save_pretrained(folder)
    return both


@pytest.fixture
def tiny_published(tmp_path, pipeline, monkeypatch):
    """The folder, and the loader set to the tiny networks' configurations."""
    both = write_published(tmp_path, pipeline)
    for name, network in (("PaintUNet", pipeline.unet), ("ReferenceUNet", pipeline.reference_unet),
                          ("RRDBNet", pipeline.upscaler)):
        kind, config = type(network), {key: value for key, value in network.config.items() if key[0] != "_"}
        monkeypatch.setattr(checkpoint, name, lambda kind=kind, config=config: kind(**config))
    monkeypatch.setattr(checkpoint, "empty_vae", lambda: empty(lambda: AutoencoderKL.from_config(pipeline.vae.config)))
    shapes = stored_shapes(tmp_path / "model.safetensors")
    monkeypatch.setattr(checkpoint, "encoder_shapes", lambda _name: shapes)
    return tmp_path, both


def test_files_in_the_published_form_are_read(tiny_published, pipeline):
    folder, _ = tiny_published
    reported = []
    loaded = load_published(folder, folder, folder, torch.float32, reported.append)
    for name in ("unet", "reference_unet", "vae", "upscaler", "image_encoder"):
        for key, value in getattr(pipeline, name).state_dict().items():
            assert torch.allclose(getattr(loaded, name).state_dict()[key], value, atol=2e-3), (name, key)
    assert set(reported) == {"image encoder", "autoencoder", "reference network", "painting network", "upscaler"}


def test_a_missing_tensor_is_named(tiny_published):
    folder, both = tiny_published
    del both[next(name for name in both if "attn_dino" in name)]
    torch.save(both, folder / checkpoint.UNET)
    with pytest.raises(CheckpointError, match="attn_dino"):
        load_published(folder, folder, folder, torch.float32)


def test_missing_and_damaged_files_have_words(tiny_published):
    folder, _ = tiny_published
    (folder / checkpoint.SCHEDULER).write_text("{")
    with pytest.raises(CheckpointError, match="scheduler_config"):
        load_published(folder, folder, folder, torch.float32)
    (folder / checkpoint.SCHEDULER).unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_published(folder, folder, folder, torch.float32)
    (folder / checkpoint.UPSCALER).unlink()
    with pytest.raises(CheckpointError, match="RealESRGAN"):
        load_published(folder, folder, folder, torch.float32)


def test_the_scheduler_is_read_from_its_file(tmp_path):
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({**SCHEDULE, "_class_name": "DDIMScheduler", "timestep_spacing": "leading"}))
    scheduler = read_scheduler(file)
    scheduler.set_timesteps(15)
    assert scheduler.timesteps[:3].tolist() == [999, 932, 866]
    assert scheduler.config.prediction_type == "v_prediction"


def test_a_saved_pipeline_gives_the_same(tmp_path, pipeline):
    pipeline.save_pretrained(tmp_path)
    again = Hunyuan3DPaintPipeline.from_pretrained(tmp_path)
    for name in ("unet", "reference_unet", "vae", "image_encoder", "upscaler"):
        for key, value in getattr(pipeline, name).state_dict().items():
            assert torch.equal(getattr(again, name).state_dict()[key], value), (name, key)
