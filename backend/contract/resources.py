# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pipeline runs and how much room it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MemoryMode = Literal["full", "balanced", "low"]
MEMORY_MODES: tuple[MemoryMode, ...] = ("full", "balanced", "low")
"""From the fastest to the one that takes the least memory: everything on the GPU; one component at a time on it; blocks
streamed to it."""


@dataclass(frozen=True)
class Resources:
    """Devices by their torch names ("cuda:0", "mps", "cpu").

    Attributes:
        second_device: takes a pipeline's decoder when the artist spreads work over two GPUs; else equal to `device`.
        memory_mode: how much of a model stays on the GPU.
        chunk_scale: in (0, 1], shrinks decoder chunks; a retry after running out of memory lowers it.
        compile: asks for compiled networks where the device gains by it.
        components: folders of the shared models that are installed, of those that the pipeline names.
        background_model: what removes backgrounds: the name of a shared model, or an ONNX file of the artist's own,
            which may have its form before it ("isnet:matting.onnx"); "" for the first shared one that is installed.
    """

    device: str = "cpu"
    second_device: str = "cpu"
    memory_mode: MemoryMode = "full"
    chunk_scale: float = 1.0
    compile: bool = False
    components: Mapping[str, Path] = field(default_factory=dict)
    background_model: str = ""
