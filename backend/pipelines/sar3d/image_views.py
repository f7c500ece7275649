# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's way to what DINOv2 sees of it: a white square of 256 pixels, of which the middle 224 count."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..common.image_condition import normalize_image
from ..common.image_files import RgbaArray

SQUARE = 256
"""Side of the square that images are scaled to."""
SEEN = 224
"""Side of its middle, which is all that the encoder sees."""
OBJECT_SHARE = 0.8
"""The object's longer side as a share of the square, as in the images that the model was made for."""


def square_on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB or RGBA uint8 `[H, W, 3 or 4]` in the middle of a white square, scaled to 256 pixels: uint8 [256, 256, 3]."""
    source = Image.fromarray(image)
    side = max(source.size)
    square = Image.new("RGB", (side, side), "white")
    corner = ((side - source.width) // 2, (side - source.height) // 2)
    square.paste(source.convert("RGB"), corner, source.getchannel("A") if source.mode == "RGBA" else None)
    return np.asarray(square.resize((SQUARE, SQUARE), Image.Resampling.BICUBIC))


def crop_to_object(rgba: RgbaArray) -> RgbaArray:
    """The visible part of a cut-out `[H, W, 4]` in the middle of a transparent square that it fills to four fifths."""
    seen = rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    visible = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = visible.shape[:2]
    side = round(max(height, width) / OBJECT_SHARE)
    square = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = visible
    return square


def encoder_pixels(square: NDArray[np.uint8]) -> Tensor:
    """What DINOv2 sees of a square `[256, 256, 3]`: its normalized middle, float32 `[1, 3, 224, 224]`."""
    margin = (SQUARE - SEEN) // 2
    middle = square[margin : margin + SEEN, margin : margin + SEEN]
    pixels = torch.from_numpy(middle.copy()).permute(2, 0, 1)[None]
    return normalize_image(pixels.float() / 255)
