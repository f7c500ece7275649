# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoint has its place in our modules, and wrong files are refused before anything runs."""

import logging

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.silksong import checkpoint
from backend.pipelines.silksong.checkpoint import (
    CONDITIONER_PREFIX,
    PUBLISHED_FILE,
    is_used,
    load_published,
    published_shapes,
)
from backend.pipelines.silksong.point_encoder import SilksongConditioner
from backend.pipelines.silksong.transformer import SilksongTransformer
from tests.silksong.tiny_networks import tiny_pipeline


def test_the_published_names_are_ours():
    """Every used tensor and no other, in its shape; the numbers of parameters are the specification's."""
    with torch.device("meta"):
        conditioner, transformer = SilksongConditioner(), SilksongTransformer()
    ours = {CONDITIONER_PREFIX + name: tuple(t.shape) for name, t in conditioner.state_dict().items()}
    ours |= {name: tuple(t.shape) for name, t in transformer.state_dict().items()}
    published = published_shapes()
    assert ours == {name: shape for name, shape in published.items() if is_used(name)}
    assert len(published) == 804
    assert sum(torch.Size(shape).numel() for shape in published.values()) == 722_241_182
    assert sum(p.numel() for p in conditioner.encoder.parameters()) == 64_012_800
    assert sum(p.numel() for p in transformer.decoder.parameters()) == 503_883_776


def write_tiny(folder, monkeypatch, damage=lambda tensors: None):
    """A file like the published one around tiny networks, with a part that nothing uses."""
    pipeline = tiny_pipeline()
    tensors = {CONDITIONER_PREFIX + name: t for name, t in pipeline.conditioner.state_dict().items()}
    tensors |= dict(pipeline.transformer.state_dict())
    tensors["conditioner.point_encoder.model.shape_model.pre_kl.weight"] = torch.zeros(8, 32)
    shapes = {name: tuple(t.shape) for name, t in tensors.items()}
    monkeypatch.setattr(checkpoint, "published_shapes", lambda: shapes)
    conditioner, transformer = dict(pipeline.conditioner.config), dict(pipeline.transformer.config)
    monkeypatch.setattr(checkpoint, "SilksongConditioner", _fixed(SilksongConditioner, conditioner))
    monkeypatch.setattr(checkpoint, "SilksongTransformer", _fixed(SilksongTransformer, transformer))
    damage(tensors)
    (folder / PUBLISHED_FILE).parent.mkdir(parents=True)
    save_file(tensors, folder / PUBLISHED_FILE)
    return pipeline


def _fixed(model_class, config):
    sizes = {name: value for name, value in config.items() if not name.startswith("_")}
    return lambda **options: model_class(**sizes | options)


def test_a_file_fills_the_networks(tmp_path, monkeypatch):
    expected, told = write_tiny(tmp_path, monkeypatch), []
    loaded = load_published(tmp_path, torch.float32, "cpu", told.append)
    for component in ("conditioner", "transformer"):
        ours, theirs = getattr(loaded, component).state_dict(), getattr(expected, component).state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert len(told) == sum(len(getattr(expected, name).state_dict()) for name in ("conditioner", "transformer"))
    half = load_published(tmp_path, torch.float16, "cpu")
    assert {p.dtype for p in half.transformer.parameters()} == {torch.float16}


def test_the_unused_half_may_be_absent_and_the_positions_fewer(tmp_path, monkeypatch):
    def shorten(tensors):
        del tensors["conditioner.point_encoder.model.shape_model.pre_kl.weight"]
        tensors["abs_pos_emb.weight"] = tensors["abs_pos_emb.weight"][:100].clone()

    write_tiny(tmp_path, monkeypatch, shorten)
    assert load_published(tmp_path, torch.float32, "cpu").max_tokens == 100


def test_the_first_wrong_tensor_is_named(tmp_path, monkeypatch):
    write_tiny(tmp_path, monkeypatch, lambda tensors: tensors.pop("decoder.layers.4.1.mem_k"))
    with pytest.raises(CheckpointError, match=r"decoder\.layers\.4\.1\.mem_k"):
        load_published(tmp_path, torch.float32, "cpu")


def test_a_wrong_shape_is_named(tmp_path, monkeypatch):
    write_tiny(tmp_path, monkeypatch, lambda tensors: tensors.update({"to_logits.bias": torch.zeros(7)}))
    with pytest.raises(CheckpointError, match=r"to_logits\.bias has shape \[7\] instead of"):
        load_published(tmp_path, torch.float32, "cpu")


def test_extra_tensors_only_warn_and_the_unused_half_not_even_that(tmp_path, monkeypatch, caplog):
    write_tiny(tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING):
        load_published(tmp_path, torch.float32, "cpu")
        assert not caplog.text
        tensors = load_file(tmp_path / PUBLISHED_FILE) | {"optimizer.step": torch.zeros(1)}
        save_file(tensors, tmp_path / PUBLISHED_FILE)
        load_published(tmp_path, torch.float32, "cpu")
    assert "1 tensors that are not used, the first is optimizer.step" in caplog.text


def test_missing_and_damaged_files_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        load_published(tmp_path, torch.float32, "cpu")
    (tmp_path / PUBLISHED_FILE).parent.mkdir()
    (tmp_path / PUBLISHED_FILE).write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_published(tmp_path, torch.float32, "cpu")
