# SPDX-License-Identifier: GPL-3.0-or-later
"""All published tensors find their places, and a tiny pipeline survives its own files in the published form."""

import json
from pathlib import Path

import pytest
import torch

from backend.pipelines.common.checkpoint_shapes import CheckpointError, read_manifest
from backend.pipelines.common.rrdbnet import RRDBNet
from backend.pipelines.common.stored_tensors import StoredTensors
from backend.pipelines.hunyuan3d_paint import checkpoint
from backend.pipelines.hunyuan3d_paint.checkpoint import build_reference, build_unet, build_vae, read_scheduler
from backend.pipelines.hunyuan3d_paint.pipeline import Hunyuan3DPaintPipeline
from backend.pipelines.hunyuan3d_paint.sampling import SCHEDULE
from backend.pipelines.hunyuan3d_paint.unet import of_reference, own_name, published_name

MANIFESTS = Path(__file__).parent / "manifests"
UPSCALER = Path(__file__).parents[1] / "pipelines" / "common" / "manifests" / "realesrgan-x4plus.json"


def published(path: Path) -> StoredTensors:
    """A published file whose tensors take no memory."""
    shapes = read_manifest(path)
    return StoredTensors(path.name, shapes, lambda name: torch.empty(shapes[name], device="meta"))


def placed(stored: StoredTensors, make, device="meta"):
    return stored.fill(make, torch.float16, device)


def test_every_published_tensor_has_its_place(monkeypatch):
    monkeypatch.setattr(StoredTensors, "fill", lambda self, make, dtype, _device, on_tensor=None: _filled(
        self, make, dtype))
    unets, vae = published(MANIFESTS / "unet.json"), published(MANIFESTS / "vae.json")
    networks = [build_unet(unets, torch.float16), build_reference(unets, torch.float16)]
    assert sum(len(network.state_dict()) for network in networks) == len(unets.shapes) == 1747
    assert sum(parameter.numel() for network in networks for parameter in network.parameters()) == 1_962_246_472
    autoencoder = build_vae(vae, torch.float16)
    assert len(autoencoder.state_dict()) == len(vae.shapes) == 248
    assert sum(parameter.numel() for parameter in autoencoder.parameters()) == 83_653_863


def _filled(stored: StoredTensors, make, dtype):
    return _original_fill(stored, make, dtype, "meta")


_original_fill = StoredTensors.fill


def test_the_upscaler_takes_every_published_tensor():
    shapes = {name.removeprefix("params_ema."): shape for name, shape in read_manifest(UPSCALER).items()}
    stored = StoredTensors("x", shapes, lambda name: torch.empty(shapes[name], device="meta"))
    network = stored.fill(RRDBNet, torch.float16, "meta")
    assert len(network.state_dict()) == len(shapes) == 702
    assert sum(parameter.numel() for parameter in network.parameters()) == 16_697_987


def test_names_lead_there_and_back():
    for name in read_manifest(MANIFESTS / "unet.json"):
        assert published_name(own_name(name)) == name
    assert of_reference(own_name("unet.learned_text_clip_ref"))
    assert not of_reference(own_name("unet.learned_text_clip_mr"))


def test_files_in_the_published_form_are_read(tmp_path, pipeline, monkeypatch):
    """With the tiny networks' configurations: every tensor arrives, and a missing one is named."""
    nets = {"unet": pipeline.unet, "reference": pipeline.reference_unet}
    both = {published_name(name): value.half() for net in nets.values() for name, value in net.state_dict().items()}
    path = tmp_path / "unet.bin"
    torch.save(both, path)
    for name, network in (("PaintUNet", pipeline.unet), ("ReferenceUNet", pipeline.reference_unet)):
        kind = type(network)
        config = {key: value for key, value in network.config.items() if not key.startswith("_")}
        monkeypatch.setattr(checkpoint, name, lambda kind=kind, config=config: kind(**config))
    stored = StoredTensors.open(path)
    loaded = build_unet(stored, torch.float32), build_reference(stored, torch.float32)
    for network, original in zip(loaded, nets.values(), strict=True):
        for name, value in original.state_dict().items():
            assert torch.equal(network.state_dict()[name], value.half().float())
    missing = next(name for name in both if "attn_dino" in name)
    del both[missing]
    torch.save(both, path)
    with pytest.raises(CheckpointError, match="attn_dino"):
        build_unet(StoredTensors.open(path), torch.float32)


def test_wrong_files_have_words(tmp_path):
    with pytest.raises(CheckpointError, match="is not there"):
        StoredTensors.open(tmp_path / "a.bin")
    (tmp_path / "b.bin").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match="cannot be read"):
        StoredTensors.open(tmp_path / "b.bin")
    torch.save(3, tmp_path / "c.bin")
    with pytest.raises(CheckpointError, match="does not hold"):
        StoredTensors.open(tmp_path / "c.bin")
    with pytest.raises(CheckpointError, match="is not there"):
        read_scheduler(tmp_path / "scheduler.json")


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
