# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut-out images to what the published models were trained on: centered on white, square, in [-1, 1].

Images are RGBA uint8 `[H, W, 4]` with straight alpha. See docs/algorithms/hunyuan3d_shape.md, "Preparing an image".
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..common.image_files import LARGEST_SIDE, RgbaArray

BORDER = 0.15
"""Share of the square's side that stays free around the object."""
FAINTEST = 10
"""Alpha of 255 below which a pixel does not belong to the object: noise in it would make the object small."""

Image8 = NDArray[np.uint8]


class Box(NamedTuple):
    """Rows `top` to `bottom - 1` and columns `left` to `right - 1`."""

    top: int
    bottom: int
    left: int
    right: int


def object_box(rgba: RgbaArray) -> Box:
    """The rows and columns in which the object is seen; at least one pixel of it must be."""
    seen = rgba[..., 3] >= FAINTEST
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def centered_on_white(rgba: RgbaArray, box: Box, border: float = BORDER) -> Image8:
    """What `box` holds in the middle of a white square, RGB `[S, S, 3]`.

    S is the image's longer side, 4096 at most; the longer side of the box becomes all of it but the border.
    """
    side = min(max(rgba.shape[:2]), LARGEST_SIDE)
    crop = rgba[box.top : box.bottom, box.left : box.right]
    scale = int(side * (1 - border)) / max(crop.shape[:2])
    height, width = (max(int(length * scale), 1) for length in crop.shape[:2])
    canvas = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    alpha = canvas[..., 3:].astype(np.float32) / 255
    # Truncated, not rounded, as the published models saw it in training.
    return np.clip(canvas[..., :3] * alpha + 255 * (1 - alpha), 0, 255).astype(np.uint8)


def resized(rgb: Image8, size: int) -> Image8:
    """`[S, S, 3] -> [size, size, 3]`, bicubic without antialias as published."""
    return cv2.resize(rgb, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def as_tensor(rgb: Image8) -> Tensor:
    """`[H, W, 3]` -> float32 `[1, 3, H, W]` in [-1, 1]."""
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1).unsqueeze(0) / 255 * 2 - 1


def prepare_view(rgba: RgbaArray, size: int) -> Tensor:
    """A cut-out as float32 `[1, 3, size, size]` in [-1, 1]."""
    return as_tensor(resized(centered_on_white(rgba, object_box(rgba)), size))
