# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation takes, before it begins: gigabytes and minutes."""

import functools
import math
from collections.abc import Sequence

from ..backend.pipelines import registry
from .accelerator import Accelerator, TorchBuild, builds_of, pick_build, read_table

MINUTES_PER_DOWNLOADED, MINUTES_PER_UNPACKED = 1.4, 0.3
"""For a gigabyte: downloaded at 100 Mbit/s, and written to a disk."""


@functools.cache
def estimate_words(accelerator: Accelerator | None, platform: str) -> str:
    """"1 GB download, 3.5 GB on disk, about 3 minutes at 100 Mbit/s"; a range where the GPU was not looked for yet, and
    "" for a platform without an engine. Reads the table once a session."""
    table = read_table()
    builds = builds_of(platform, table)
    if not builds:
        return ""
    if accelerator is not None:
        builds = (pick_build(accelerator, platform, table),)
    return (f"{_range([build.download_gigabytes for build in builds])} GB download, "
            f"{_range([build.disk_gigabytes for build in builds])} GB on disk, "
            f"about {_range([minutes(build) for build in builds])} minutes at 100 Mbit/s")


def fitting_words(accelerator: Accelerator) -> str:
    """Which pipelines have published weights that fit the largest GPU, "" where there is no GPU to measure."""
    if not accelerator.gpus:
        return ""
    memory = max(gpu.memory_mib for gpu in accelerator.gpus) / 1024
    fitting = [spec.label for spec in registry.specs().values()
               if any(not weights.bundled and weights.memory and min(weights.memory.values()) <= memory
                      for weights in spec.weights)]
    return f"Enough memory for the published models of {', '.join(fitting)}" if fitting else ""


def minutes(build: TorchBuild) -> int:
    """How long an installation takes with a good connection and disk, rounded up."""
    return math.ceil(build.download_gigabytes * MINUTES_PER_DOWNLOADED + build.disk_gigabytes * MINUTES_PER_UNPACKED)


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
