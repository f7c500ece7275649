# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker gets once, at its start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract import MemoryMode

AUTO: Literal["auto"] = "auto"
"""The memory mode that is chosen for each job, by the memory that is free."""


@dataclass(frozen=True)
class Settings:
    """What the artist set for the whole worker.

    Attributes:
        models: folder of downloaded weights.
        device: "auto" or a torch device.
        second_device: where decoders run; empty for the same one.
        memory_mode: how much of a model stays on the GPU; `AUTO` for the fastest mode that fits.
        statistics: JSON file with the times of earlier runs; None keeps them in memory only.
        compile: trades a longer first run for faster later ones, on NVIDIA GPUs.
        background_model: what removes backgrounds, as `Resources` says.
    """

    models: Path
    device: str = "auto"
    second_device: str = ""
    memory_mode: MemoryMode | Literal["auto"] = AUTO
    statistics: Path | None = None
    compile: bool = False
    background_model: str = ""
