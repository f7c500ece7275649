# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pipeline computes and how much room it has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """Devices by their torch names ("cuda:0", "mps", "cpu").

    `second_device` takes a pipeline's decoder when the artist spreads work over two GPUs; equal to `device` otherwise.
    `low_memory` asks for sequential offload. `chunk_scale` in (0, 1] shrinks decoder chunks; a retry after running out
    of memory lowers it. `compile` asks for compiled networks where the device gains by it.
    """

    device: str = "cpu"
    second_device: str = "cpu"
    low_memory: bool = False
    chunk_scale: float = 1.0
    compile: bool = False
