# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of the views while they come about, without the autoencoder."""

from math import isqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .backgrounds import COLORS

GROUND = 0.5


class LatentColors:
    """The linear map from latents to colors that fits the autoencoder's latents of the plain backgrounds best.

    So previews have about the right colors with every checkpoint.
    """

    def __init__(self, backgrounds: Tensor) -> None:
        """`backgrounds`: the colors' scaled latents [14, 4, s, s]."""
        seen = backgrounds.float().mean((2, 3)).cpu()
        seen = torch.cat([seen, torch.ones(len(seen), 1)], dim=1)
        wanted = torch.tensor(list(COLORS.values())) / 2 + 0.5
        self._map = torch.linalg.lstsq(seen, wanted, driver="gelsd").solution

    def images(self, latents: Tensor) -> Tensor:
        """[V, 4, s, s] to [V, 3, s, s] in [0, 1]."""
        weights, offset = self._map[:-1].to(latents), self._map[-1].to(latents)
        return (torch.einsum("vchw,cd->vdhw", latents, weights) + offset[:, None, None]).clamp(0, 1)


def before_gray(images: Tensor, alpha: Tensor) -> Tensor:
    """Images [V, 3, s, s] where `alpha` [V, 1, s, s] is 1, gray elsewhere."""
    return images * alpha + GROUND * (1 - alpha)


def contact_sheet(images: Tensor, longest: int = 1024) -> Image.Image:
    """Views [V, 3, s, s] in [0, 1] in rows of about a square, at most `longest` pixels wide."""
    columns = isqrt(len(images) - 1) + 1
    rows = -(-len(images) // columns)
    side = images.shape[-1]
    sheet = torch.full((3, rows * side, columns * side), GROUND)
    for number, view in enumerate(images.float().cpu()):
        row, column = divmod(number, columns)
        sheet[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = view
    result = Image.fromarray((sheet.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    result.thumbnail((longest, longest))
    return result
