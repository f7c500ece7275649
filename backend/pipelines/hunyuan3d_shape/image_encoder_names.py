# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2's tensors under the names of transformers 4, as published, to those of transformers 5."""

from torch import Tensor

from ..common.checkpoint import StoredTensors

RENAMED = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "mlp.weights_out": "mlp.down_proj",
}
HALVES = ("mlp.gate_proj", "mlp.up_proj")
"""What the two halves of a SwiGLU's joint first layer, `mlp.weights_in`, have become."""


def current_tensors(stored: StoredTensors) -> StoredTensors:
    """The tensors of transformers 5's `Dinov2Model`."""
    origins: dict[str, tuple[str, int | None]] = {}
    for name in stored.shapes:
        if ".mlp.weights_in." in name:
            origins |= {name.replace("mlp.weights_in", half): (name, number) for number, half in enumerate(HALVES)}
        else:
            origins[_current_name(name)] = (name, None)

    def read(name: str) -> Tensor:
        origin, half = origins[name]
        return stored.read(origin) if half is None else stored.read(origin).chunk(2)[half]

    shapes = {
        name: stored.shapes[origin] if half is None else _half(stored.shapes[origin])
        for name, (origin, half) in origins.items()
    }
    return StoredTensors(stored.file, shapes, read)


def _current_name(name: str) -> str:
    for old, new in RENAMED.items():
        name = name.replace(f".{old}.", f".{new}.")
    return name


def _half(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] // 2, *shape[1:])
