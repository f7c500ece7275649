# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of the views while they come about, without the autoencoder."""

from math import isqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .backgrounds import COLOURS

GROUND = 0.5


class LatentColours:
    """The linear map from latents to colours that fits the autoencoder's latents of the plain backgrounds best.

    So previews have about the right colours with every checkpoint.
    """

    def __init__(self, backgrounds: Tensor) -> None:
        """`backgrounds`: the colours' scaled latents [14, 4, s, s]."""
        seen = backgrounds.float().mean((2, 3)).cpu()
        seen = torch.cat([seen, torch.ones(len(seen), 1)], dim=1)
        wanted = torch.tensor(list(COLOURS.values())) / 2 + 0.5
        self._map = torch.linalg.lstsq(seen, wanted, driver="gelsd").solution

    def pictures(self, latents: Tensor) -> Tensor:
        """[V, 4, s, s] to [V, 3, s, s] in [0, 1]."""
        weights, offset = self._map[:-1].to(latents), self._map[-1].to(latents)
        return (torch.einsum("vchw,cd->vdhw", latents, weights) + offset[:, None, None]).clamp(0, 1)


def before_grey(pictures: Tensor, alpha: Tensor) -> Tensor:
    """Pictures [V, 3, s, s] where `alpha` [V, 1, s, s] is 1, grey elsewhere."""
    return pictures * alpha + GROUND * (1 - alpha)


def contact_sheet(pictures: Tensor, longest: int = 1024) -> Image.Image:
    """Views [V, 3, s, s] in [0, 1] in rows of about a square, at most `longest` pixels wide."""
    columns = isqrt(len(pictures) - 1) + 1
    rows = -(-len(pictures) // columns)
    side = pictures.shape[-1]
    sheet = torch.full((3, rows * side, columns * side), GROUND)
    for number, picture in enumerate(pictures.float().cpu()):
        row, column = divmod(number, columns)
        sheet[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    image = Image.fromarray((sheet.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    image.thumbnail((longest, longest))
    return image
