# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut-out images to what the published models were trained on: centered on white, square, in [-1, 1].

Images are RGBA uint8 `[H, W, 4]` with straight alpha. See docs/algorithms/hunyuan3d_shape.md, "Preparing an image".
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..common.image_files import RgbaArray
from ..common.image_preparation import FAINTEST, Centering, recenter

CENTERING = Centering(border=0.15, faintest=FAINTEST, last_lost=False, scaling="8 bit")
"""Fainter noise than what can be seen would make the object small."""

Image8 = NDArray[np.uint8]


def centered_on_white(rgba: RgbaArray, centering: Centering = CENTERING) -> Image8:
    """A cut-out `[H, W, 4]` in the middle of a white square, RGB `[S, S, 3]`, S the image's longer side."""
    square = recenter(rgba, centering)
    alpha = square[..., 3:].astype(np.float32) / 255
    # Truncated, not rounded, as the published models saw it in training.
    return np.clip(square[..., :3] * alpha + 255 * (1 - alpha), 0, 255).astype(np.uint8)


def resized(rgb: Image8, size: int) -> Image8:
    """`[S, S, 3] -> [size, size, 3]`, bicubic without antialias as published."""
    return cv2.resize(rgb, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def as_tensor(rgb: Image8) -> Tensor:
    """`[H, W, 3]` -> float32 `[1, 3, H, W]` in [-1, 1]."""
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1).unsqueeze(0) / 255 * 2 - 1


def prepare_view(rgba: RgbaArray, size: int) -> Tensor:
    """A cut-out as float32 `[1, 3, size, size]` in [-1, 1]."""
    return as_tensor(resized(centered_on_white(rgba), size))
