# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews of the views during sampling, without the autoencoder."""

import torch
from torch import Tensor

from ...painting.contact_sheet import BACKGROUND
from .backgrounds import COLORS


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
    return images * alpha + BACKGROUND * (1 - alpha)
