# SPDX-License-Identifier: GPL-3.0-or-later
"""Random draws of the families: proportions, styles and colors from one seeded generator."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .shapes import Color

Choice = TypeVar("Choice")


class Draw:
    """The source of every random decision of one object."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._hue = float(generator.uniform())

    def between(self, low: float, high: float) -> float:
        """Return a number uniform in [low, high)."""
        return float(self._generator.uniform(low, high))

    def pick(self, options: Sequence[Choice]) -> Choice:
        """Return one of the options, all equally likely."""
        return options[int(self._generator.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self._generator.uniform() < probability)

    def color(self) -> Color:
        """Return the next color (linear RGB in [0, 1]), its hue well apart from the one before."""
        self._hue = (self._hue + self.between(0.2, 0.8)) % 1.0
        red, green, blue = colorsys.hsv_to_rgb(self._hue, self.between(0.35, 0.85), self.between(0.45, 0.95))
        return red**2.2, green**2.2, blue**2.2

    def tint(self, hue: float, saturation: float, value: float) -> Color:
        """Return a color near the given one (all in [0, 1]) for things with a color of their own, such as leaves."""
        near = (
            (hue + self.between(-0.04, 0.04)) % 1.0,
            min(max(saturation + self.between(-0.15, 0.15), 0.0), 1.0),
            min(max(value + self.between(-0.15, 0.15), 0.0), 1.0),
        )
        red, green, blue = colorsys.hsv_to_rgb(*near)
        return red**2.2, green**2.2, blue**2.2
