# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading safetensors files: memory-mapped, so that nothing is in memory twice, and strict.

Only safetensors are read. A pickled file (.ckpt, .pt, .bin) can run a program when it is opened; it is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...common import checkpoint_shapes
from ...common.checkpoint_shapes import PUBLISHED, Origin, Shapes, absent, read_manifest
from .quantized import plain_tensors

MANIFESTS = Path(__file__).parents[1] / "manifests"
SUFFIX = ".safetensors"
PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
COUNTED = "position_ids"
"""Buffers that some files carry; the networks count for themselves."""
CHOSEN = Origin("Choose another file.")
"""An artist's own file."""


@dataclass(frozen=True)
class Stored:
    """The tensors of a file by name, still on the disk (memory-mapped, on the CPU), and the header's remarks."""

    name: str
    tensors: Mapping[str, Tensor]
    remarks: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = PUBLISHED

    @property
    def shapes(self) -> Shapes:
        """Name and shape of every tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def published_shapes(network: str) -> Shapes:
    """Name and shape of every tensor of a published file: "sd15-unet", "vae", "sdxl-controlnet" and so on."""
    return read_manifest(MANIFESTS / f"{network}.json")


def open_stored(path: Path, origin: Origin = PUBLISHED) -> Stored:
    """A safetensors file, its header read and its tensors mapped; scaled fp8 is multiplied. Raises CheckpointError."""
    if path.suffix.lower() in PICKLED:
        raise origin.error(f"{path.name} is not opened.", "It is a pickled file, which can run a program when it is "
                           f"opened. Only {SUFFIX} files are read.")
    if not path.is_file():
        raise absent(path, origin)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Stored(path.name, plain_tensors(path.name, tensors, origin), file.metadata() or {}, origin)
    except (SafetensorError, OSError) as error:
        raise origin.error(f"{path.name} cannot be read.", "The file is damaged, was not downloaded completely, or is "
                           "no safetensors file.", str(error)) from error


def open_component(folder: Path, stem: str, origin: Origin = PUBLISHED) -> Stored:
    """The weights of one component in its folder: `<stem>.safetensors`, its fp16 variant, or all of its shards.

    Raises CheckpointError.
    """
    label = f"{folder.parent.name}/{folder.name}"
    for name in (f"{stem}{SUFFIX}", f"{stem}.fp16{SUFFIX}"):
        if (folder / name).is_file():
            stored = open_stored(folder / name, origin)
            return Stored(f"{label}/{name}", stored.tensors, stored.remarks, origin)
    shards = sorted(folder.glob(f"{stem}-*-of-*{SUFFIX}"))
    if shards:
        parts = [open_stored(shard, origin).tensors for shard in shards]
        return Stored(f"{label}/{stem}", {name: tensor for part in parts for name, tensor in part.items()},
                      origin=origin)
    pickled = sorted(path.name for path in folder.glob(f"{stem}*.bin"))
    why = f"There is only {pickled[0]}, a pickled file, which can run a program when it is opened." if pickled else \
        f"The folder {folder} does not hold it."
    raise origin.error(f"{label}/{stem}{SUFFIX} is missing.", why)


def read_config(folder: Path, name: str = "config.json", origin: Origin = PUBLISHED) -> dict[str, Any]:
    """A component's configuration as plain data. Raises CheckpointError."""
    path = folder / name
    label = f"{folder.parent.name}/{folder.name}/{name}"
    if not path.is_file():
        raise origin.error(f"{label} is missing.", f"The folder {folder} does not hold it.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise origin.error(f"{label} cannot be read.", "It is damaged.", str(error)) from error
    if not isinstance(config, dict):
        raise origin.error(f"{label} cannot be read.", "It holds no configuration.")
    return config


def check_shapes(stored: Stored, found: Shapes, expected: Shapes) -> None:
    """Raise CheckpointError naming the first tensors that are missing or have another shape; extra ones only warn."""
    checkpoint_shapes.check_shapes(
        stored.name, found, expected, is_known=lambda name: name.endswith(COUNTED), origin=stored.origin
    )
