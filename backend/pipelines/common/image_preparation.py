# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's way from a file to what the image encoder sees.

Images are RGBA uint8 `[H, W, 4]` with straight (not premultiplied) alpha; the encoder sees RGB on white.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from ...contract import BadInput
from .image_files import FAINTEST, LARGEST_SIDE, RgbaArray, read_image

ResizeMode = Literal["area", "linear"]

INTERPOLATION = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}
SMALLEST_SIDE = 16
CUT_OUT, CUT_OUT_BORDER = 0.02, 0.05
"""Shares of an image's pixels, and of its border's, that are transparent at least where an object was cut out: rounded
corners and single pixels are less."""


@dataclass(frozen=True)
class Centering:
    """How a cut-out object is placed in a square: as the model saw it in training.

    Attributes:
        border: share of the square's side that the object's longer side leaves free.
        faintest: alpha of 255 from which a pixel belongs to the object.
        last_lost: whether the object's last row and column are cut off, as some published tools do.
        scaling: of the object to a square as large as the image: computed in floating point and truncated, or with
            8 bit throughout. With "none" pixels stay as they are and the square is as large as the object needs.
    """

    border: float = 0.1
    faintest: int = 1
    last_lost: bool = True
    scaling: Literal["float", "8 bit", "none"] = "float"


DEFAULT_CENTERING = Centering()
"""Where a pipeline publishes no way of its own (docs/algorithms/partpacker.md, section 2)."""


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
    """Whether the alpha channel is that of a cut-out object, by the shares of `CUT_OUT`; else it is an image with its
    background.
    """
    hidden = rgba[..., 3] < 128
    border = np.concatenate([hidden[0], hidden[-1], hidden[:, 0], hidden[:, -1]])
    return bool(hidden.mean() >= CUT_OUT and border.mean() >= CUT_OUT_BORDER)


def prepare_image(rgba: RgbaArray, size: int, resize: ResizeMode = "area") -> Tensor:
    """Cut-out `[H, W, 4]` -> float32 `[1, 3, size, size]` in [0, 1], the object centered on white.

    "area" is what the published web app does, "linear" what the published command line does
    (docs/algorithms/partpacker.md, section 2).
    """
    return composite_on_white(resize_image(recenter(rgba), size, resize))


def recenter(rgba: RgbaArray, centering: Centering = DEFAULT_CENTERING) -> RgbaArray:
    """The visible part of a cut-out `[H, W, 4]` in the middle of a transparent square `[S, S, 4]`.

    S is the longer side, 4096 at most: the square of a panorama would need gigabytes. Sizes are rounded down; one row
    and one column at least are kept. An image of which nothing is seen is returned as it is.
    """
    seen = rgba[..., 3] >= centering.faintest
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows) == 0:
        return rgba
    kept = 0 if centering.last_lost else 1
    height, width = (max(int(places[-1] - places[0]) + kept, 1) for places in (rows, columns))
    visible = rgba[rows[0] : rows[0] + height, columns[0] : columns[0] + width]
    if centering.scaling == "none":
        return _in_the_middle(visible, round(max(height, width) / (1 - centering.border)))
    side = min(max(rgba.shape[:2]), LARGEST_SIDE)
    scale = int(side * (1 - centering.border)) / max(height, width)
    size = max(int(width * scale), 1), max(int(height * scale), 1)
    if centering.scaling == "8 bit":
        return _in_the_middle(np.asarray(cv2.resize(visible, size, interpolation=cv2.INTER_AREA), np.uint8), side)
    scaled = cv2.resize(visible.astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)
    return _in_the_middle((scaled * 255).astype(np.uint8), side)


def _in_the_middle(rgba: RgbaArray, side: int) -> RgbaArray:
    """`[H, W, 4]` in a transparent square `[side, side, 4]`."""
    height, width = rgba.shape[:2]
    square = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgba
    return square


def resize_image(rgba: RgbaArray, size: int, resize: ResizeMode) -> RgbaArray:
    """`[H, W, 4]` -> `[size, size, 4]`, on straight alpha as published."""
    return np.asarray(cv2.resize(rgba, (size, size), interpolation=INTERPOLATION[resize]), np.uint8)


def composite_on_white(rgba: RgbaArray) -> Tensor:
    """`[H, W, 4]` -> float32 `[1, 3, H, W]` in [0, 1]."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    rgb = values[..., :3] * alpha + (1 - alpha)
    return torch.from_numpy(rgb).permute(2, 0, 1).unsqueeze(0).contiguous()
