# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files of every kind, as RGBA uint8 `[H, W, 4]` with straight (not premultiplied) alpha."""

import math
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...contract import BadInput

RgbaArray = NDArray[np.uint8]

LARGEST_SIDE = 4096
"""Side of the largest square worked on. An image of more pixels than that is made smaller."""


def read_image(path: Path) -> RgbaArray:
    """Read any image file as RGBA, upright, 8 bit; of an animation the first frame.

    Images of more pixels than a square of 4096 a side are made smaller. Raises BadInput when the file is no image,
    is damaged or too large to decode safely.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the error at twice the size stays
            with Image.open(path) as image:
                rgba = _upright_rgba(image)
    except UnidentifiedImageError as error:
        raise BadInput(f"{path.name} is not an image.", "Its content is of no image format that can be read.",
                       "Choose a PNG, JPEG or WebP file.") from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path.name} is too large.", "It has more pixels than can be decoded safely.",
                       f"Scale it down to at most {LARGEST_SIDE} pixels a side first.") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damaged files
        raise BadInput(f"{path.name} cannot be read.", f"The image file is damaged or not accessible ({error}).",
                       "Save it again, as PNG, and choose it once more.") from error
    return rgba


def _upright_rgba(image: Image.Image) -> RgbaArray:
    """First frame, turned as its EXIF data says, RGBA of 8 bit, no more pixels than `LARGEST_SIDE` squared."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        upright = _eight_bit(upright)
    if upright.mode == "CMYK":  # has no direct way to RGBA
        upright = upright.convert("RGB")
    upright = upright.convert("RGBA")
    width, height = upright.size
    if width * height > LARGEST_SIDE**2:
        scale = LARGEST_SIDE / math.sqrt(width * height)
        upright = upright.resize((max(int(width * scale), 1), max(int(height * scale), 1)), Image.Resampling.BICUBIC)
    return np.asarray(upright).copy()


def _eight_bit(image: Image.Image) -> Image.Image:
    """Gray images of 16 bit, or of floating point in [0, 1] -> 8 bit. Plain conversion would clip them."""
    values = np.asarray(image).astype(np.float64)
    scale = 255.0 if image.mode == "F" else 255.0 / 65535.0
    return Image.fromarray(np.clip(values * scale, 0, 255).round().astype(np.uint8))
