# SPDX-License-Identifier: GPL-3.0-or-later
"""sRGB and scene-linear colors, and the color that Solid view shows of a material."""

import bpy
import numpy as np

MOST_TEXELS = 1 << 16
"""A mean of as many texels is exact enough for one color."""


def linear(channels: np.ndarray) -> np.ndarray:
    """sRGB channels in [0, 1] as scene-linear light (IEC 61966-2-1), same shape."""
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def mean_color(image: bpy.types.Image) -> tuple[float, float, float, float]:
    """Scene-linear mean of an 8-bit sRGB image's opaque texels, with alpha 1; gray where it has none."""
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    texels = pixels.reshape(-1, image.channels)
    texels = texels[:: 1 + len(texels) // MOST_TEXELS]
    weights = texels[:, 3] if image.channels == 4 else np.ones(len(texels), np.float32)
    if not weights.any():
        return 0.8, 0.8, 0.8, 1.0
    mean = np.average(linear(texels[:, :3]), axis=0, weights=weights)
    return float(mean[0]), float(mean[1]), float(mean[2]), 1.0
