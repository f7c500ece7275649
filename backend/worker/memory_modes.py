# SPDX-License-Identifier: GPL-3.0-or-later
"""Which memory mode a job runs in: the one asked for, or the fastest that fits, of those that its weights offer."""

import logging
from collections.abc import Callable
from typing import Literal

from ..contract import MEMORY_MODES, MemoryMode, WeightSet
from .settings import AUTO

logger = logging.getLogger(__name__)

HEADROOM = 1.25
"""The stated memory of a mode is for a usual job; a finer grid takes more."""


def choose_mode(asked: MemoryMode | Literal["auto"], weights: WeightSet,
                available_gib: Callable[[], float]) -> MemoryMode:
    """The mode to run in. `available_gib` measures the device's memory that this job could take.

    `AUTO` gives the fastest mode that fits, else the one that takes the least. A mode that the weights do not offer
    gives the nearest that takes less memory, else the one that takes the least.
    """
    offered = weights.memory_modes
    if asked != AUTO:
        chosen = asked if asked in offered else _nearest(asked, offered)
        if chosen != asked:
            logger.info("%s has no memory mode '%s': running in '%s'", weights.label, asked, chosen)
        return chosen
    if len(offered) == 1:
        return offered[0]
    available = available_gib()
    fitting = (mode for mode in offered if weights.memory[mode] * HEADROOM <= available)
    chosen = next(fitting, min(offered, key=weights.memory.__getitem__))
    logger.info("Memory mode '%s': %.1f GiB available, %s takes about %.1f GiB", chosen, available, weights.label,
                weights.memory[chosen])
    return chosen


def next_lower(mode: MemoryMode, weights: WeightSet) -> MemoryMode:
    """The offered mode that follows, for a second attempt; the same where there is none."""
    later = [other for other in weights.memory_modes if MEMORY_MODES.index(other) > MEMORY_MODES.index(mode)]
    return later[0] if later else mode


def shortage(mode: MemoryMode, weights: WeightSet, available_gib: float) -> str:
    """A warning where less memory is available than the mode is stated to take, else ""."""
    stated = weights.memory[mode]
    if stated <= available_gib:
        return ""
    return (f"{weights.label} takes about {stated:.1f} GiB and {available_gib:.1f} GiB are free. It may be slow, or "
            "run out of memory: close other programs that use the GPU.")


def _nearest(asked: MemoryMode, offered: tuple[MemoryMode, ...]) -> MemoryMode:
    lower = [mode for mode in offered if MEMORY_MODES.index(mode) > MEMORY_MODES.index(asked)]
    return lower[0] if lower else offered[-1]
