# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoints have their place in our modules, and wrong files are refused before anything runs."""

import logging
import pickle

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.checkpoint import empty, fill
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.common.image_encoder import encoder_shapes
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder
from backend.pipelines.partpacker.checkpoint import (
    load_published,
    open_autoencoder,
    open_denoiser,
    published_shapes,
)
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser


def meta_tensors(shapes, dtype=torch.bfloat16):
    return {name: torch.empty(shape, dtype=dtype, device="meta") for name, shape in shapes.items()}


@pytest.mark.parametrize("wrapped", [False, True])
def test_full_size_files_fill_every_tensor(tmp_path, wrapped):
    flow, vae = meta_tensors(published_shapes("flow")), meta_tensors(published_shapes("vae"), torch.float32)
    torch.save({"model": flow} if wrapped else flow, tmp_path / "flow.pt")
    torch.save({"model": vae} if wrapped else vae, tmp_path / "vae.pt")
    denoiser = fill(empty(PartPackerDenoiser), open_denoiser(tmp_path / "flow.pt"), torch.bfloat16, "meta")
    autoencoder = fill(empty(PartPackerAutoencoder), open_autoencoder(tmp_path / "vae.pt"), torch.bfloat16, "meta")
    assert sum(p.numel() for p in denoiser.parameters()) == 1_249_511_488
    assert sum(p.numel() for p in autoencoder.parameters()) == 340_296_833
    assert {p.dtype for p in [*denoiser.parameters(), *autoencoder.parameters()]} == {torch.bfloat16}


def test_published_image_encoder_is_the_giant():
    shapes = encoder_shapes("dinov2-giant")
    config = Dinov2Config(
        hidden_size=1536, num_hidden_layers=40, num_attention_heads=24, image_size=518, use_swiglu_ffn=True
    )
    with torch.device("meta"):
        model = Dinov2Model(config)
    assert sum(p.numel() for p in model.parameters()) == sum(torch.Size(shape).numel() for shape in shapes.values())


def damage_missing(tensors):
    del tensors["dit.layers.3.attn2.k_norm.weight"]


def damage_shape(tensors):
    tensors["dit.layers.3.attn2.k_norm.weight"] = torch.empty(7, device="meta")


@pytest.mark.parametrize("damage", [damage_missing, damage_shape])
def test_the_first_wrong_tensor_is_named(tmp_path, damage):
    tensors = meta_tensors(published_shapes("flow"))
    damage(tensors)
    torch.save(tensors, tmp_path / "flow.pt")
    with pytest.raises(CheckpointError, match=r"layers\.3\.attn2\.k_norm\.weight"):
        open_denoiser(tmp_path / "flow.pt")


def test_extra_tensors_only_warn(tmp_path, caplog):
    tensors = meta_tensors(published_shapes("vae")) | {"optimizer.step": torch.zeros(1)}
    torch.save(tensors, tmp_path / "vae.pt")
    with caplog.at_level(logging.WARNING):
        assert "optimizer.step" not in open_autoencoder(tmp_path / "vae.pt").shapes
    assert "optimizer.step" in caplog.text


def test_swapped_files_are_refused(tmp_path):
    torch.save(meta_tensors(published_shapes("vae")), tmp_path / "flow.pt")
    with pytest.raises(CheckpointError, match=r"part_embed is missing.* and \d+ more"):
        load_published(tmp_path, tmp_path / "dinov2-giant", torch.bfloat16, "meta")


def test_loading_can_be_given_up_at_every_tensor(tmp_path):
    class Stop(Exception):
        pass

    loaded = []

    def report(component):
        loaded.append(component)
        if len(loaded) == 540:
            raise Stop

    torch.save(meta_tensors(published_shapes("flow")), tmp_path / "flow.pt")
    torch.save(meta_tensors(published_shapes("vae")), tmp_path / "vae.pt")
    with pytest.raises(Stop):
        load_published(tmp_path, tmp_path / "dinov2-giant", torch.bfloat16, "meta", report=report)
    assert loaded == ["denoiser"] * 537 + ["autoencoder"] * 3


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def write_noise(path):
    path.write_bytes(b"<html>rate limited</html>" * 100)


def write_truncated(path):
    torch.save({"a": torch.zeros(100_000)}, path)
    path.write_bytes(path.read_bytes()[:150_000])


def write_code(path):
    torch.save({"a": Evil()}, path)


def write_old_pickle_with_code(path):
    path.write_bytes(pickle.dumps(Evil()))


def write_number(path):
    torch.save(3, path)


def write_nothing(path):
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "write", [write_noise, write_truncated, write_code, write_old_pickle_with_code, write_number, write_nothing]
)
def test_corrupt_files_are_refused_and_never_executed(tmp_path, capsys, write):
    write(tmp_path / "flow.pt")
    with pytest.raises(CheckpointError, match=r"flow\.pt") as caught:
        load_published(tmp_path, tmp_path / "dinov2-giant", torch.float32, "cpu")
    assert caught.value.report.remedy == "download"
    assert "executed" not in capsys.readouterr().out
