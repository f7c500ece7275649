# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's way to what DINOv2 sees of it: a white square of 256 pixels, of which the middle 224 count."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..common.image_condition import middle
from ..common.image_preparation import Centering

SQUARE = 256
"""Side of the square that images are scaled to."""
SEEN = 224
"""Side of its middle, which is all that the encoder sees."""
CENTERING = Centering(border=0.2, last_lost=False, scaling="none")
"""How large objects are in the images that the model was made for."""


def square_on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB or RGBA uint8 `[H, W, 3 or 4]` in the middle of a white square, scaled to 256 pixels: uint8 [256, 256, 3]."""
    source = Image.fromarray(image)
    side = max(source.size)
    square = Image.new("RGB", (side, side), "white")
    corner = ((side - source.width) // 2, (side - source.height) // 2)
    square.paste(source.convert("RGB"), corner, source.getchannel("A") if source.mode == "RGBA" else None)
    return np.asarray(square.resize((SQUARE, SQUARE), Image.Resampling.BICUBIC))


def encoder_image(square: NDArray[np.uint8]) -> Tensor:
    """What DINOv2 sees of a square `[256, 256, 3]`: its middle, float32 `[1, 3, 224, 224]` in [0, 1]."""
    return middle(torch.from_numpy(square.copy()).permute(2, 0, 1), SEEN)[None].float() / 255
