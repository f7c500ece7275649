# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that tests prepare."""

import numpy as np
from PIL import Image


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    """An opaque image without any plain area."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def shaded_disc() -> np.ndarray:
    """RGBA uint8 [60, 80, 4]: a disc on a transparent background."""
    y, x = np.mgrid[:60, :80]
    disc = (y - 32) ** 2 + (x - 35) ** 2 < 20**2
    image = np.zeros((60, 80, 4), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 200, y * 4, x * 3
    image[..., 3] = 255 * disc
    return image * disc[..., None].astype(np.uint8)
