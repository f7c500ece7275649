# SPDX-License-Identifier: GPL-3.0-or-later
"""A material of a file, as far as it is read: the image and the tint of its base color."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..srgb import linear_to_srgb, srgb_to_linear

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Surface:
    """One material.

    Attributes:
        name: in the file.
        image: opens its base color's image, sRGB; raises OSError or ValueError where it cannot be read; None for none.
        tint: linear factors of the image's channels, or without an image its color.
        uv_transform: float64 [2, 3], from the node's UVs to those at which the image is read, both with v up.
    """

    name: str
    image: Callable[[], Image.Image] | None = None
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    uv_transform: NDArray[np.float64] | None = None

    def base_color(self) -> NDArray[np.uint8] | None:
        """The image uint8 [H, W, 3], sRGB, tinted, the first row on top; None where it has none.

        Raises OSError or ValueError where it cannot be read.
        """
        if self.image is None:
            return None
        pixels = np.array(self.image().convert("RGB"))
        return pixels if self.tint == (1.0, 1.0, 1.0) else _tinted(pixels, np.asarray(self.tint))

    def plain_color(self) -> NDArray[np.uint8]:
        """The color of a material without an image, as one of a single pixel, uint8 [1, 1, 3], sRGB."""
        return _tinted(np.full((1, 1, 3), 255, np.uint8), np.asarray(self.tint))

    def image_uvs(self, uvs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where the image is read for the node's UVs [..., 2]."""
        if self.uv_transform is None:
            return uvs
        return (uvs @ self.uv_transform[:, :2].T + self.uv_transform[:, 2]).astype(np.float32)


def _tinted(pixels: NDArray[np.uint8], factor: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Multiplied by a linear factor for each channel."""
    encoded = linear_to_srgb(srgb_to_linear(np.arange(256) / 255)[:, None] * factor)
    table = (encoded.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=2)
