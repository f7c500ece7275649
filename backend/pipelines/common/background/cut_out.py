# SPDX-License-Identifier: GPL-3.0-or-later
"""One image, cut out in the best way that there is."""

import logging
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ....contract import BadInput, Progress, Remedy
from ..components import BIREFNET_LITE
from ..image_files import RgbaArray
from ..image_preparation import check_image, has_transparency
from .graph_cut import graph_cut_mask
from .network import BackgroundModel, network_mask
from .plain import plain_mask

logger = logging.getLogger(__name__)

SIMPLE_WAY = ("The background was removed without a trained model. Look at the mask: correct it and give it along with "
              "the image, or download a background remover.")


@dataclass(frozen=True)
class CutOut:
    """The image as RGBA uint8 [H, W, 4], straight alpha, and the mask [H, W] that was made for it, if one was."""

    image: RgbaArray
    mask: NDArray[np.uint8] | None = None


def cut_out(rgba: RgbaArray, mask: RgbaArray | None, model: BackgroundModel | None, progress: Progress) -> CutOut:
    """The object of the image. The artist's `mask` (white where the object is) comes first, then the image's own
    transparency, then the `model`; without one a background of one color, else a graph cut.

    Raises BadInput when none of these finds an object, with the download of a background remover as remedy.
    """
    if mask is not None:
        return CutOut(_masked(rgba, _gray(mask, *rgba.shape[:2])))
    if has_transparency(rgba):
        return CutOut(rgba)
    if model is not None:
        progress.loading("background remover")
        found: NDArray[np.uint8] | None = network_mask(rgba, model, progress.check)
        logger.info("The background was removed by %s", model.file.name)
    else:
        found = plain_mask(rgba)
        if found is None:
            found = graph_cut_mask(rgba, progress.check)
            if found is not None:
                progress.warn(SIMPLE_WAY)
    if found is None:
        raise _inseparable()
    cut = _masked(rgba, found)
    check_image(cut, "What is left of the image without its background")
    return CutOut(cut, found)


def _gray(mask: RgbaArray, height: int, width: int) -> NDArray[np.uint8]:
    """The mask as one channel in the size of the image. Raises BadInput for an empty one."""
    luminance = cv2.cvtColor(np.ascontiguousarray(mask[..., :3]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gray = (luminance * (mask[..., 3] / np.float32(255))).round().astype(np.uint8)
    if gray.max() < 128:
        raise BadInput("The mask is empty.", "No part of it is white.",
                       "Paint the object white, or leave the mask out.")
    return gray if gray.shape == (height, width) else np.asarray(cv2.resize(gray, (width, height)), np.uint8)


def _masked(rgba: RgbaArray, mask: NDArray[np.uint8]) -> RgbaArray:
    """The image with the mask times its own alpha; colors are as they were, and black where nothing is seen."""
    alpha = np.round(rgba[..., 3] * (mask / np.float32(255))).astype(np.uint8)
    return np.where(alpha[..., None] > 0, np.dstack([rgba[..., :3], alpha]), np.uint8(0))


def _inseparable() -> BadInput:
    return BadInput(
        "The object cannot be separated from the background.",
        "The image has no transparency, its border has no one color, and no background remover is installed.",
        "Download a background remover, give a mask, or cut the object out and save it as PNG with transparency.",
        Remedy.DOWNLOAD, needs={"pipeline": "shared", "weights": BIREFNET_LITE.name},
    )
