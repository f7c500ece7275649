# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as red, brown, grey …: the colors of the captions, by hue, saturation and value of sRGB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Range = tuple[float, float]
FULL: Range = (0.0, 1.0)


@dataclass(frozen=True)
class ColorKind:
    """``drawn`` are the ranges of hue (degrees), saturation and value that training draws a color from; ``hue``,
    ``saturation`` and ``value`` what a texel of the kind may have. ``contrast`` scales the pattern on it."""

    drawn: tuple[Range, Range, Range]
    hue: Range = (0.0, 360.0)
    saturation: Range = (0.2, 1.0)
    value: Range = (0.15, 1.01)
    contrast: float = 1.0

    def holds(self, hsv: Tensor) -> Tensor:
        """Whether colors [3, ...] (hue in degrees) are of this kind, bool [...]."""
        hue, saturation, value = hsv
        low, high = self.hue
        turned = (hue - low) % 360.0 <= high - low
        return (
            turned & (saturation >= self.saturation[0]) & (saturation <= self.saturation[1])
            & (value >= self.value[0]) & (value < self.value[1])
        )


_VIVID: tuple[Range, Range] = ((0.7, 0.9), (0.75, 0.95))
_PALE = 0.2

COLORS: Mapping[str, ColorKind] = {
    "red": ColorKind(((-4, 4), *_VIVID), hue=(-16, 14)),
    "orange": ColorKind(((26, 32), (0.75, 0.95), (0.88, 1.0)), hue=(14, 44), value=(0.58, 1.01)),
    "yellow": ColorKind(((52, 57), (0.7, 0.9), (0.85, 1.0)), hue=(44, 70)),
    "green": ColorKind(((112, 132), *_VIVID), hue=(75, 160)),
    "turquoise": ColorKind(((174, 184), *_VIVID), hue=(160, 200)),
    "blue": ColorKind(((218, 232), *_VIVID), hue=(200, 252)),
    "purple": ColorKind(((272, 282), *_VIVID), hue=(252, 300)),
    "pink": ColorKind(((326, 336), (0.45, 0.6), (0.9, 1.0)), hue=(300, 344)),
    "brown": ColorKind(((22, 30), (0.6, 0.75), (0.42, 0.55)), hue=(8, 46), value=(0.12, 0.7)),
    "white": ColorKind(((0, 360), (0.0, 0.04), (0.95, 1.0)), saturation=(0.0, _PALE), value=(0.72, 1.01),
                        contrast=0.4),
    "grey": ColorKind(((0, 360), (0.0, 0.05), (0.48, 0.58)), saturation=(0.0, _PALE), value=(0.28, 0.72),
                       contrast=0.5),
    "black": ColorKind(((0, 360), (0.0, 0.1), (0.1, 0.16)), saturation=FULL, value=(0.0, 0.28), contrast=0.6),
}
"""The hues leave gaps only where a color has another name: lime, between 70 and 75."""


def hsv_of(rgb: Tensor) -> Tensor:
    """Hue in degrees, saturation and value [3, ...] of sRGB [3, ...] in [0, 1]."""
    value, low = rgb.amax(dim=0), rgb.amin(dim=0)
    span = value - low
    red, green, blue = rgb
    safe = span.clamp(min=1e-6)
    hue = torch.where(
        value == red, (green - blue) / safe,
        torch.where(value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe),
    )
    return torch.stack([hue * 60.0 % 360.0, span / value.clamp(min=1e-6), value])


def rgb_of(hsv: Tensor) -> Tensor:
    """sRGB [3, ...] of hue in degrees, saturation and value [3, ...]."""
    hue, saturation, value = hsv
    offsets = torch.tensor([5.0, 3.0, 1.0], device=hsv.device).view(3, *[1] * hue.ndim)
    k = (offsets + hue / 60.0) % 6.0
    return value * (1.0 - saturation * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0))
