# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting the object out of an opaque image (docs/algorithms/partpacker.md, section 2)."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from ...contract import BadInput, Remedy
from .image_preparation import RgbaArray, check_image

logger = logging.getLogger(__name__)

PLAIN_TOLERANCE = 24
"""How far (of 255, in any channel) a pixel may lie from the ground's color; covers JPEG noise and soft shading."""
PLAIN_SHARE = 0.95
"""Share of the border's pixels that must have the ground's color."""


def remove_background(rgba: RgbaArray, model_file: Path | None) -> RgbaArray:
    """Cut the object out of an opaque image `[H, W, 4]`.

    With `model_file` (u2net.onnx) the same network as published does it; without, an image on plain ground is cut
    out by its color. Raises BadInput when neither can.
    """
    if model_file is not None and model_file.is_file():
        return remove_background_by_network(rgba, model_file)
    logger.info("no background remover is installed: trying the ground's color")
    return remove_plain_background(rgba)


def remove_background_by_network(rgba: RgbaArray, model_file: Path) -> RgbaArray:
    """Cut out with rembg and U2Net. The colors come out multiplied by the mask, as in the published app.

    Raises BadInput when the model file is damaged or leaves nothing of the image.
    """
    threads = torch.get_num_threads()
    # rembg imports a matting library, unused here, that has numba compile all of it: a minute, the first time.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    import onnxruntime  # these take seconds to import and are needed for opaque images only
    import rembg
    from rembg.sessions.u2net import U2netSession
    # A library of rembg's sets the threads of the whole process; with other threads, sums round in another order.
    torch.set_num_threads(threads)

    class LocalU2net(U2netSession):
        """U2Net from our own file; rembg's class would download a file that it does not know."""

        @classmethod
        def download_models(cls, *_arguments: object, **_options: object) -> str:
            return str(model_file)

    try:
        session = LocalU2net("u2net", onnxruntime.SessionOptions())
    except Exception as error:  # onnxruntime's errors for an unreadable model share no base class
        raise BadInput("The background remover cannot be used.", f"{model_file.name} is damaged.",
                       "Download the background remover again, or cut the object out yourself.",
                       Remedy.DOWNLOAD, details=str(error)) from error
    cut_out = np.asarray(rembg.remove(Image.fromarray(rgba[..., :3]), session=session)).copy()
    check_image(cut_out, "What is left of the image without its background")
    return cut_out


def remove_plain_background(rgba: RgbaArray) -> RgbaArray:
    """Make transparent what has the border's color and hangs together with the border.

    Areas of that color inside the object stay. Raises BadInput when the border has no one color, or nothing is
    left.
    """
    rgb = rgba[..., :3].astype(np.int16)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    ground = np.median(border, axis=0)
    if (np.abs(border - ground).max(axis=-1) <= PLAIN_TOLERANCE).mean() < PLAIN_SHARE:
        raise BadInput(
            "The object cannot be told from its background.",
            "The image has no transparent ground, its border has no one color, and no background remover is "
            "installed.",
            "Cut the object out and save it as PNG with transparency, or download the background remover.",
            Remedy.DOWNLOAD,
        )
    like_ground = (np.abs(rgb - ground).max(axis=-1) <= PLAIN_TOLERANCE).astype(np.uint8)
    _, labels = cv2.connectedComponents(like_ground, connectivity=4)
    outer = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    background = np.isin(labels, outer[outer > 0])
    if background.all():
        raise BadInput("No object stands out from the background.", "The whole image has nearly one color.",
                       "Choose an image with more contrast, or cut the object out yourself.")
    return np.where(background[..., None], np.uint8(0), rgba)
