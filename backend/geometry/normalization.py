# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling and centering of shapes into a standard box, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Normalization:
    """The map ``scale * (position - center)``; ``center`` is float64 [3] in the frame of the original."""

    center: NDArray[np.float64]
    scale: float

    @classmethod
    def to_box(cls, bounds: ArrayLike, longest_side: float) -> Normalization:
        """Put the center of ``bounds`` [2, 3] at the origin and scale its longest side to ``longest_side``.

        Raises ValueError for a box without extent or with values that are not finite.
        """
        low, high = np.asarray(bounds, np.float64)
        extent = float((high - low).max())
        if not (np.isfinite(extent) and extent > 0):
            raise ValueError("a box without extent cannot be normalized")
        return cls((low + high) / 2, longest_side / extent)

    def apply(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return positions [N, 3] in the standard box, float64."""
        return (np.asarray(positions, np.float64) - self.center) * self.scale

    def invert(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return positions [N, 3] of the standard box at their original place, float64."""
        return np.asarray(positions, np.float64) / self.scale + self.center

    def then(self, following: Normalization) -> Normalization:
        """Return the map that applies this one and then ``following``."""
        return Normalization(self.center + following.center / self.scale, self.scale * following.scale)
