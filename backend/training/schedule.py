# SPDX-License-Identifier: GPL-3.0-or-later
"""How one network is trained, in numbers, and the learning rate that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StageSettings:
    """How one network is trained: ``batch`` is objects per step and process, ``rate`` the peak learning rate."""

    steps: int
    batch: int
    rate: float
    warm_up: int = 300
    evaluate_every: int = 1000
    flat_until: float = 0.5
    """Share of the steps after which the learning rate falls on a cosine to ``final_rate`` of its peak."""
    final_rate: float = 0.02
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the optimizer's two moments."""


def learning_rate(step: int, settings: StageSettings) -> float:
    """Return the rate of one step: linear warm-up, flat, cosine fall. It depends on nothing but step and settings."""
    warm = min(1.0, (step + 1) / settings.warm_up)
    fall = max(0.0, (step / settings.steps - settings.flat_until) / (1.0 - settings.flat_until))
    cosine = settings.final_rate + (1.0 - settings.final_rate) * 0.5 * (1.0 + math.cos(math.pi * min(fall, 1.0)))
    return settings.rate * warm * cosine
