# SPDX-License-Identifier: GPL-3.0-or-later
"""The object in front of a background of one color."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ....contract import BadInput
from ..image_files import RgbaArray

TOLERANCE = 24
"""How far (of 255, in any channel) a pixel may lie from the background's color; covers JPEG noise and soft shading."""
SHARE = 0.95
"""Share of the border's pixels that must have the background's color."""


def plain_mask(rgba: RgbaArray) -> NDArray[np.uint8] | None:
    """255 where the object is, uint8 [H, W]: all but what has the border's color and is connected with the border.
    None where the border has no one color. Areas of that color inside the object stay.

    Raises BadInput when nothing stands out.
    """
    rgb = rgba[..., :3].astype(np.int16)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    color = np.median(border, axis=0)
    if (np.abs(border - color).max(axis=-1) <= TOLERANCE).mean() < SHARE:
        return None
    similar = (np.abs(rgb - color).max(axis=-1) <= TOLERANCE).astype(np.uint8)
    _, labels = cv2.connectedComponents(similar, connectivity=4)
    outer = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    background = np.isin(labels, outer[outer > 0])
    if background.all():
        raise BadInput("No object stands out from the background.", "The whole image has nearly one color.",
                       "Choose an image with more contrast, or cut the object out yourself.")
    return np.where(background, 0, 255).astype(np.uint8)
