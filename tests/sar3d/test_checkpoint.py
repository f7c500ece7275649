# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoints have their place in our networks; what else is in the files is left behind, and unrun."""

import argparse
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from backend.pipelines.common.checkpoint import dtype_of
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.common.pickled_checkpoint import read_pickled
from backend.pipelines.sar3d import checkpoint
from backend.pipelines.sar3d.checkpoint import (
    DENSITY_DECODER,
    DENSITY_ENCODER,
    FLEXICUBES_DECODER,
    FLEXICUBES_ENCODER,
    IMAGE_TRANSFORMER,
    NOT_LEARNED,
    TEXT_TRANSFORMER,
    learned_tensors,
    load_part,
    published_shapes,
)
from backend.pipelines.sar3d.transformer import NextScaleTransformer

PARTS = (TEXT_TRANSFORMER, IMAGE_TRANSFORMER, DENSITY_DECODER, FLEXICUBES_DECODER, DENSITY_ENCODER, FLEXICUBES_ENCODER)


def meta_content(part, **more):
    """What `torch.load` gives of the part's published file, without numbers."""
    prefix = "".join(f"{key}." for key in part.within)
    tensors = {name.removeprefix(prefix): torch.empty(shape, device="meta")
               for name, shape in published_shapes(part.file).items()}
    content = tensors | more
    for key in reversed(part.within):
        content = {key: content}
    return content


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        (TEXT_TRANSFORMER, 382_798_336),
        (IMAGE_TRANSFORMER, 1_243_270_912),
        (DENSITY_ENCODER, 45_085_648 + 584),
        (FLEXICUBES_ENCODER, 45_085_648 + 584),
        (DENSITY_DECODER, 176_242_116 - 45_085_648 - 584),
        (FLEXICUBES_DECODER, 176_330_268 - 45_085_648 - 584),
    ],
    ids=lambda value: getattr(value, "converted", ""),
)
def test_published_tensors_fill_every_parameter(part, parameters):
    tensors = learned_tensors(part, meta_content(part), part.file)
    with torch.device("meta"):
        model = part.model()
    model.load_state_dict(tensors, assign=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_every_published_tensor_has_a_place_or_follows_from_the_configuration():
    total = 0
    for file in {part.file for part in PARTS}:
        parts = [part for part in PARTS if part.file == file]
        for name in published_shapes(file):
            total += 1
            owners = [part for part in parts if part.own_name(name)]
            assert len(owners) == (0 if name.endswith(NOT_LEARNED) else 1), name
    assert total == 1674


class Shrunken:
    """A transformer of a few kilobytes in the place of the published one."""

    def __init__(self, monkeypatch):
        self.model = NextScaleTransformer(16, 1, 2, 12, False, 32, 4, (1, 2))
        own = {f"trainer.var_wo_ddp.{name}": tuple(value.shape) for name, value in self.model.state_dict().items()}
        own["trainer.var_wo_ddp.lvl_1L"] = (1, 15)
        monkeypatch.setattr(checkpoint, "published_shapes", lambda file: own)
        self.part = replace(TEXT_TRANSFORMER, model=lambda: NextScaleTransformer(16, 1, 2, 12, False, 32, 4, (1, 2)))

    def content(self, **more):
        state = dict(self.model.state_dict()) | {"blocks.0.attn.zero_k_bias": torch.zeros(16)}
        return {"epoch": 3, "trainer": {"config": {}, "var_wo_ddp": state, "var_opt": {"state": torch.ones(9)}}} | more


class ScriptArguments(argparse.Namespace):
    """Stands for a training script's own class."""


class Malicious:
    """Would run a function when it is unpickled."""

    def __reduce__(self):
        return print, ("this must never be printed",)


def test_training_state_and_unknown_classes_are_left_behind(tmp_path, monkeypatch):
    shrunken = Shrunken(monkeypatch)
    source = tmp_path / "text-condition-ckpt.pth"
    torch.save(shrunken.content(args=ScriptArguments(depth=16)), source)
    model = load_part(shrunken.part, tmp_path, torch.bfloat16, "cpu")
    for name, value in shrunken.model.state_dict().items():
        loaded = model.state_dict()[name]
        assert loaded.dtype == dtype_of(model, name, torch.bfloat16)
        assert torch.equal(loaded, value.to(loaded.dtype))
    assert model.head.weight.dtype == torch.float32
    assert model.block_dtype == torch.bfloat16
    with safe_open(tmp_path / shrunken.part.converted, "pt") as file:
        assert set(file.keys()) == set(shrunken.model.state_dict())


def test_converted_once_and_again_when_the_file_changes(tmp_path, monkeypatch):
    shrunken = Shrunken(monkeypatch)
    source, converted = tmp_path / "text-condition-ckpt.pth", tmp_path / shrunken.part.converted
    torch.save(shrunken.content(), source)
    load_part(shrunken.part, tmp_path, torch.float32, "cpu")
    first = converted.stat().st_mtime_ns
    load_part(shrunken.part, tmp_path, torch.float32, "cpu")
    assert converted.stat().st_mtime_ns == first
    torch.save(shrunken.content(more=torch.zeros(1000)), source)
    load_part(shrunken.part, tmp_path, torch.float32, "cpu")
    assert converted.stat().st_mtime_ns > first
    source.unlink()
    load_part(shrunken.part, tmp_path, torch.float32, "cpu")


def test_functions_in_a_file_never_run(tmp_path, capsys):
    path = tmp_path / "malicious.pth"
    torch.save({"trainer": Malicious(), "weight": torch.ones(2)}, path)
    content = read_pickled(path)
    assert torch.equal(content["weight"], torch.ones(2))
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [b"", b"no checkpoint", pickle.dumps({"a": 1})])
def test_damaged_files_are_refused(tmp_path, wrong):
    (tmp_path / "vqvae-ckpt.pt").write_bytes(wrong)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_part(DENSITY_DECODER, tmp_path, torch.float32, "cpu")


def test_missing_and_wrong_tensors_are_named(tmp_path):
    content = meta_content(TEXT_TRANSFORMER)
    del content["trainer"]["var_wo_ddp"]["head.bias"]
    with pytest.raises(CheckpointError) as error:
        learned_tensors(TEXT_TRANSFORMER, content, "text-condition-ckpt.pth")
    assert "head.bias is missing" in error.value.report.why
    with pytest.raises(CheckpointError, match="does not contain"):
        learned_tensors(TEXT_TRANSFORMER, {"trainer": {}}, "text-condition-ckpt.pth")
    with pytest.raises(CheckpointError, match="is missing"):
        load_part(TEXT_TRANSFORMER, tmp_path, torch.float32, "cpu")
