# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker gets once, at its start."""

from dataclasses import dataclass
from pathlib import Path

from ..contract import MemoryMode


@dataclass(frozen=True)
class Settings:
    """`device` is "auto" or a torch device; an empty `second_device` means the same one. `memory_mode` is how much of a
    model stays on the GPU.

    `models` holds downloaded weights. `statistics` is the JSON file with the times of earlier runs; None keeps them in
    memory only. `compile` trades a longer first run for faster later ones, on NVIDIA GPUs.
    """

    models: Path
    device: str = "auto"
    second_device: str = ""
    memory_mode: MemoryMode = "full"
    statistics: Path | None = None
    compile: bool = False
