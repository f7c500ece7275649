# SPDX-License-Identifier: GPL-3.0-or-later
"""How one network is trained, in figures, and the learning rate that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

FLAT_UNTIL = 0.5
"""Share of the steps after which the learning rate falls on a cosine to FINAL_RATE of its peak."""
FINAL_RATE = 0.02


@dataclass(frozen=True)
class StageFigures:
    """How one network is trained: ``batch`` is objects per step and process, ``rate`` the peak learning rate."""

    steps: int
    batch: int
    rate: float
    warm_up: int = 300
    evaluate_every: int = 1000


def learning_rate(step: int, figures: StageFigures) -> float:
    """Return the rate of one step: linear warm-up, flat, cosine fall. It depends on nothing but step and figures."""
    warm = min(1.0, (step + 1) / figures.warm_up)
    fall = max(0.0, (step / figures.steps - FLAT_UNTIL) / (1.0 - FLAT_UNTIL))
    cosine = FINAL_RATE + (1.0 - FINAL_RATE) * 0.5 * (1.0 + math.cos(math.pi * min(fall, 1.0)))
    return figures.rate * warm * cosine
