# SPDX-License-Identifier: GPL-3.0-or-later
"""What baking gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

GRAZING_COSINE = 1e-3
"""At this cosine and below a view has no say in a texel: nothing can be made out at that angle."""


@dataclass(frozen=True)
class Baked:
    """A texture float32 [C, H, W], filled everywhere, and the sum of the views' weights float32 [H, W]."""

    texture: Tensor
    weight: Tensor
