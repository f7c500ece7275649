# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2 from a published folder, checked tensor by tensor."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import Dinov2Config

from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.common.image_encoder import encoder_shapes, load_image_encoder

TINY_DINO = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 28, "patch_size": 14,
    "use_swiglu_ffn": True,
}


@pytest.fixture
def tiny_dino(tmp_path):
    """A small image encoder in a folder under the published names: the folder, its tensors and their shapes."""
    names = {
        name: shape for name, shape in encoder_shapes("dinov2-giant").items()
        if not name.startswith("encoder") or name.startswith("encoder.layer.0.")
    }
    wide = {1536: 24, 8192: 128, 4096: 64, 1370: 5}
    shapes = {name: tuple(wide.get(n, n) for n in shape) for name, shape in names.items()}
    folder = tmp_path / "dinov2-giant"
    Dinov2Config(**TINY_DINO).save_pretrained(folder)
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder, tensors, shapes


def test_image_encoder_takes_every_published_tensor(tiny_dino):
    folder, tensors, shapes = tiny_dino
    model = load_image_encoder(folder, shapes, torch.float32)
    gate, up = tensors["encoder.layer.0.mlp.weights_in.weight"].chunk(2)
    loaded = torch.cat([p.flatten() for p in model.parameters()]).sort().values
    expected = torch.cat([t.flatten() for t in tensors.values()]).sort().values
    torch.testing.assert_close(loaded, expected)
    assert any(torch.equal(p, gate) or torch.equal(p, torch.cat([gate, up])) for p in model.parameters())


def test_damaged_image_encoder_is_refused(tiny_dino):
    folder, tensors, shapes = tiny_dino
    save_file({k: v for k, v in tensors.items() if "query" not in k}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"query\.weight is missing"):
        load_image_encoder(folder, shapes, torch.float32)
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_image_encoder(folder, shapes, torch.float32)


def test_image_encoder_reports_every_tensor(tiny_dino):
    folder, tensors, shapes = tiny_dino
    calls = []
    load_image_encoder(folder, shapes, torch.bfloat16, lambda: calls.append(1))
    assert len(calls) == len(tensors)
