# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2's tensors under the names of transformers 4, as published, to those of transformers 5."""

from torch import Tensor

RENAMED = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "mlp.weights_out": "mlp.down_proj",
}


def current_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of transformers 5's `Dinov2Model`; the joint first layer of a SwiGLU is split in its halves."""
    renamed = {}
    for name, tensor in weights.items():
        if ".mlp.weights_in." in name:
            gate, up = tensor.chunk(2)
            renamed[name.replace("weights_in", "gate_proj")] = gate
            renamed[name.replace("weights_in", "up_proj")] = up
            continue
        for old, new in RENAMED.items():
            name = name.replace(f".{old}.", f".{new}.")
        renamed[name] = tensor
    return renamed
