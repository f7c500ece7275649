# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker is told once, at its start."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`device` is "auto" or a torch device; an empty `second_device` means the same one.

    `models` holds downloaded weights. `statistics` is the JSON file with the times of earlier runs; None keeps them in
    memory only. `compile` trades a longer first run for faster later ones, on NVIDIA GPUs.
    """

    models: Path
    device: str = "auto"
    second_device: str = ""
    low_memory: bool = False
    statistics: Path | None = None
    compile: bool = False
