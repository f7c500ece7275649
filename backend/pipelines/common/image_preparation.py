# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's way from a file to what the image encoder sees (docs/algorithms/partpacker.md, section 2).

Images are RGBA uint8 `[H, W, 4]` with straight (not premultiplied) alpha; the encoder sees RGB on white.
"""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from ...contract import BadInput
from .image_files import LARGEST_SIDE, RgbaArray, read_image

ResizeMode = Literal["area", "linear"]

INTERPOLATION = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}
BORDER = 0.1
SMALLEST_SIDE = 16
FAINTEST = 8
"""Alpha of 255 below which nothing is seen."""


def load_image(path: Path) -> RgbaArray:
    """Read any image file as RGBA, upright, 8 bit; of an animation the first frame.

    Images of more pixels than a square of 4096 a side are made smaller. Raises BadInput when the file is no image,
    is damaged, is too small to show an object or too large to decode safely, shows one color only, or nothing.
    """
    rgba = read_image(path)
    check_image(rgba, path.name)
    return rgba


def check_image(rgba: RgbaArray, name: str = "The image") -> None:
    """Raise BadInput for an image in which no object can be seen."""
    height, width = rgba.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise BadInput(f"{name} is too small.", f"It has {width} x {height} pixels.",
                       f"Choose an image of at least {SMALLEST_SIDE} pixels a side; 512 and more work best.")
    if rgba[..., 3].max() < FAINTEST:
        raise BadInput(f"{name} is fully transparent.", "No pixel of it can be seen.",
                       "Choose an image that shows an object.")
    if not has_transparency(rgba) and (rgba == rgba[0, 0]).all():
        raise BadInput(f"{name} shows one color only.", "There is no object in it.",
                       "Choose an image that shows an object.")


def has_transparency(rgba: RgbaArray) -> bool:
    """Whether the alpha channel says anything; a fully opaque one is an image without a cut-out."""
    return bool((rgba[..., 3] < 255).any())


def prepare_image(rgba: RgbaArray, size: int, resize: ResizeMode = "area") -> Tensor:
    """Cut-out `[H, W, 4]` -> float32 `[1, 3, size, size]` in [0, 1], the object centered on white.

    "area" is what the published web app does, "linear" what the published command line does.
    """
    return composite_on_white(resize_image(recenter(rgba), size, resize))


def recenter(rgba: RgbaArray) -> RgbaArray:
    """The visible part in the middle of a transparent square `[S, S, 4]`, S the longer side, a tenth left free.

    S is 4096 at most: the square of a panorama would need gigabytes.
    As published, the visible part's last row and column are lost and sizes are rounded down; where that would leave
    nothing of a foreground of one pixel's width, one row or column is kept.
    """
    seen = rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows) == 0:
        return rgba
    side = min(max(rgba.shape[:2]), LARGEST_SIDE)
    top, left = rows[0], columns[0]
    height, width = max(int(rows[-1] - top), 1), max(int(columns[-1] - left), 1)
    scale = int(side * (1 - BORDER)) / max(height, width)
    new_height, new_width = max(int(height * scale), 1), max(int(width * scale), 1)
    visible = rgba[top : top + height, left : left + width].astype(np.float32) / 255
    canvas = np.zeros((side, side, 4), np.float32)
    y, x = (side - new_height) // 2, (side - new_width) // 2
    canvas[y : y + new_height, x : x + new_width] = cv2.resize(
        visible, (new_width, new_height), interpolation=cv2.INTER_AREA
    )
    return (canvas * 255).astype(np.uint8)


def resize_image(rgba: RgbaArray, size: int, resize: ResizeMode) -> RgbaArray:
    """`[H, W, 4]` -> `[size, size, 4]`, on straight alpha as published."""
    return np.asarray(cv2.resize(rgba, (size, size), interpolation=INTERPOLATION[resize]), np.uint8)


def composite_on_white(rgba: RgbaArray) -> Tensor:
    """`[H, W, 4]` -> float32 `[1, 3, H, W]` in [0, 1]."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    rgb = values[..., :3] * alpha + (1 - alpha)
    return torch.from_numpy(rgb).permute(2, 0, 1).unsqueeze(0).contiguous()
