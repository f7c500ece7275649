# SPDX-License-Identifier: GPL-3.0-or-later
"""Published checkpoints into networks: opened and checked first, without memory, then read tensor by tensor.

Files are safetensors, or pickles that torch's restricted unpickler reads; nothing in them is executed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ...contract.reports import ignore
from .checkpoint_shapes import PUBLISHED, Origin, Shapes, check_shapes, stored_shapes
from .pickled_checkpoint import read_pickled

Network = TypeVar("Network", bound=nn.Module)
Change = Callable[[str, Tensor], Tensor]
"""Given a tensor's name in its network and its value on the device, returns the value to use (LoRA)."""


@dataclass(frozen=True)
class StoredTensors:
    """Tensors that are still in their file.

    Attributes:
        file: its name, for errors.
        shapes: of each tensor, by name.
        read: returns the tensor of a name, on the CPU.
    """

    file: str
    shapes: Shapes
    read: Callable[[str], Tensor]

    def under(self, prefix: str) -> "StoredTensors":
        """Those whose names begin with `prefix`, without it."""
        return self.renamed(lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None)

    def renamed(self, own_name: Callable[[str], str | None]) -> "StoredTensors":
        """The tensors under other names; those for which `own_name` returns None are left out."""
        origins = {own: name for name in self.shapes if (own := own_name(name)) is not None}
        return StoredTensors(self.file, {own: self.shapes[name] for own, name in origins.items()},
                             lambda name: self.read(origins[name]))

    def checked(self, expected: Shapes, **rules: Any) -> "StoredTensors":
        """The expected tensors, after `check_shapes` with these rules. Raises CheckpointError."""
        check_shapes(self.file, self.shapes, expected, **rules)
        return replace(self, shapes={name: self.shapes[name] for name in expected})


def open_tensors(path: Path) -> StoredTensors:
    """The tensors of a checkpoint; those of a pickle with several levels have names with dots ("model.layer.weight").

    Tensors are mapped from the file and read when they are used. Raises CheckpointError.
    """
    if path.suffix == ".safetensors":
        shapes = stored_shapes(path)
        return StoredTensors(path.name, shapes, safe_open(path, "pt").get_tensor)
    content = read_pickled(path)
    tensors = dict(_flat(content)) if isinstance(content, Mapping) else {}
    if not tensors:
        raise PUBLISHED.error(f"{path.name} does not contain the expected weights.",
                              "There are no named tensors in it.")
    return StoredTensors(path.name, shapes_by_name(tensors), tensors.__getitem__)


def empty(make: Callable[[], Network]) -> Network:
    """A network whose tensors take no memory."""
    with torch.device("meta"):
        return make()


def shapes_of(network: nn.Module) -> Shapes:
    """Name and shape of every tensor that the network's state dict holds."""
    return shapes_by_name(network.state_dict())


def shapes_by_name(tensors: Mapping[str, Tensor]) -> Shapes:
    """The shape of every tensor of a state dict."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def fill(
    network: Network,
    stored: StoredTensors,
    dtype: torch.dtype,
    device: torch.device | str,
    on_tensor: Callable[[], None] = ignore,
    change: Change = lambda _name, weight: weight,
    origin: Origin = PUBLISHED,
) -> Network:
    """Give an `empty` network its tensors, one at a time, for inference: memory holds them once.

    `stored` has the network's own names. What the network keeps in float32 stays so. `on_tensor` is called before each
    tensor and may raise to give up. Raises CheckpointError for integers in the place of weights, and for values that
    are not numbers.
    """
    placed, own = {}, network.state_dict()
    for name in stored.shapes:
        on_tensor()
        tensor = stored.read(name)
        if own[name].is_floating_point() and not tensor.is_floating_point():
            raise origin.error(f"{stored.file} does not hold the weights that belong there.",
                               f"{name} holds {str(tensor.dtype).removeprefix('torch.')}: it is quantized.")
        placed[name] = change(name, tensor.to(device)).to(dtype_of(network, name, dtype))
    check_finite(stored.file, placed, origin)
    network.load_state_dict(placed, assign=True)
    # Buffers that are not stored were made on another device.
    return network.to(device).requires_grad_(False).eval()


def check_finite(file: str, tensors: Mapping[str, Tensor], origin: Origin = PUBLISHED) -> None:
    """Raise CheckpointError where a tensor holds infinite values or ones that are not numbers. Those on the meta device
    hold none."""
    floating = {name: tensor for name, tensor in tensors.items()
                if tensor.is_floating_point() and tensor.numel() and not tensor.is_meta}
    # The sum of both ends is no number where one is none; kept on the device, so that it is waited for once.
    ends = [torch.stack(torch.aminmax(tensor.detach())).float().sum() for tensor in floating.values()]
    if not ends or (finite := torch.stack(ends).isfinite()).all():
        return
    wrong = [name for name, good in zip(floating, finite.tolist(), strict=True) if not good]
    raise origin.error(f"{file} is damaged.", f"{wrong[0]} holds values that are not numbers, or infinite ones"
                       f"{f', as do {len(wrong) - 1} more' if len(wrong) > 1 else ''}.")


def dtype_of(network: nn.Module, name: str, dtype: torch.dtype) -> torch.dtype:
    """The dtype that a tensor of the network is to have when the network is wanted in `dtype`."""
    kept = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    return torch.float32 if kept & set(name.split(".")) else dtype


def _flat(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", tensor) for name, tensor in _flat(value))
        elif isinstance(value, Tensor):
            yield str(key), value
