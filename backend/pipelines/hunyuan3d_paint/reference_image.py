# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of the object as the networks see it (docs/algorithms/hunyuan3d_paint.md, "Reference image")."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..common.image_condition import middle

PREPARED_SIZE = 512
ENCODER_EDGE, ENCODER_SIZE = 256, 224
"""DINOv2's image: the shorter edge, and the square that is cut from its middle."""


def reference_view(image: Image.Image, size: int) -> Image.Image:
    """The image over white, RGB, `size` pixels a side. One that is not square is squeezed: make it square before."""
    prepared = image.resize((PREPARED_SIZE, PREPARED_SIZE), Image.Resampling.BICUBIC)
    if prepared.mode == "RGBA":
        over = Image.new("RGB", prepared.size, "white")
        over.paste(prepared, mask=prepared.getchannel("A"))
        prepared = over
    return prepared.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)


def encoder_image(view: Image.Image, edge: int = ENCODER_EDGE, size: int = ENCODER_SIZE) -> Tensor:
    """The middle of a square RGB view for the image encoder, float32 `[1, 3, size, size]` in [0, 1].

    The view is scaled to `edge` pixels a side first.
    """
    scaled = view.resize((edge, edge), Image.Resampling.BICUBIC)
    return middle(pixels_of(scaled).permute(2, 0, 1), size)[None].float() / 255.0


def pixels_of(image: Image.Image) -> Tensor:
    """An image as uint8 `[H, W, C]`."""
    return torch.from_numpy(np.asarray(image).copy())
