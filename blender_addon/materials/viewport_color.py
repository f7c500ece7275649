# SPDX-License-Identifier: GPL-3.0-or-later
"""sRGB and scene-linear colors, and the color that Solid view shows of a material."""

from collections.abc import Sequence

import bpy
import numpy as np

MOST_TEXELS = 1 << 16
"""A mean of as many texels is exact enough for one color."""


def linear(channels: np.ndarray) -> np.ndarray:
    """sRGB channels in [0, 1] as scene-linear light (IEC 61966-2-1), same shape."""
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def mean_color(image: bpy.types.Image) -> tuple[float, float, float, float]:
    """Scene-linear mean of an 8-bit sRGB image's opaque texels, with alpha 1; gray where it has none."""
    texels = _texels(image)
    weights = _opacity(image, texels)
    if not weights.any():
        return 0.8, 0.8, 0.8, 1.0
    mean = np.average(linear(texels[:, :3]), axis=0, weights=weights)
    return float(mean[0]), float(mean[1]), float(mean[2]), 1.0


def laid_over_color(image: bpy.types.Image, under: Sequence[float]) -> tuple[float, ...]:
    """The scene-linear RGBA of a material with the image over a surface of the color `under`: by the share of the
    texture that is painted."""
    share = float(_opacity(image, _texels(image)).mean())
    return tuple(share * over + (1.0 - share) * below for over, below in zip(mean_color(image), under, strict=True))


def _texels(image: bpy.types.Image) -> np.ndarray:
    """Some of the image's texels as it holds them, float32 [N, C]."""
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    texels = pixels.reshape(-1, image.channels)
    return texels[:: 1 + len(texels) // MOST_TEXELS]


def _opacity(image: bpy.types.Image, texels: np.ndarray) -> np.ndarray:
    return texels[:, 3] if image.channels == 4 else np.ones(len(texels), np.float32)
