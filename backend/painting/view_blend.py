# SPDX-License-Identifier: GPL-3.0-or-later
"""Views blended into a texture one after the other, each with a weight of its own."""

from __future__ import annotations

import torch
from torch import Tensor

REDUNDANT = 0.99
"""A view is left out when this share of its texels has color already: it would only blur them."""
SMALLEST_WEIGHT = 1e-8


class ViewBlend:
    """The sum of what views show at T texels, in C channels."""

    def __init__(self, texels: int, channels: int, exponent: float, device: torch.device | str = "cpu") -> None:
        """`exponent` says how much more a view counts that faces the surface."""
        self._exponent = exponent
        self._sum = torch.zeros(texels, channels, device=device)
        self._weight = torch.zeros(texels, device=device)

    def add(self, colors: Tensor, cosine: Tensor, weight: float) -> bool:
        """Add a view; False if it was left out.

        Args:
            colors: float32 `[T, C]`.
            cosine: float32 `[T]`, between the surface and the view, 0 where the view does not see the texel.
            weight: of the whole view.
        """
        added = weight * cosine**self._exponent
        seen = added > 0
        known = (seen & (self._weight > 0)).sum()
        if known > REDUNDANT * seen.sum():
            return False
        self._sum += colors * added[:, None]
        self._weight += added
        return True

    def result(self) -> tuple[Tensor, Tensor]:
        """Colors float32 `[T, C]`, 0 where no view was seen, and whether one was, bool `[T]`."""
        return self._sum / self._weight.clamp(min=SMALLEST_WEIGHT)[:, None], self._weight > SMALLEST_WEIGHT
