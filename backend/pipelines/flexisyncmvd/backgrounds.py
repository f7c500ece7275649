# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain colored backgrounds behind the object, so that no view takes its background for the object.

See docs/algorithms/flexisyncmvd.md, section 6.
"""

import torch
from torch import Tensor

from .schedule import Palette

COLORS = {
    "black": (-1, -1, -1), "white": (1, 1, 1), "maroon": (0, -1, -1), "red": (1, -1, -1), "olive": (0, 0, -1),
    "yellow": (1, 1, -1), "green": (-1, 0, -1), "lime": (-1, 1, -1), "teal": (-1, 0, 0), "aqua": (-1, 1, 1),
    "navy": (-1, -1, 0), "blue": (-1, -1, 1), "purple": (0, -1, 0), "fuchsia": (1, -1, 1),
}
"""RGB in [-1, 1], in the order of the indices that are drawn."""
DRAWN_FROM = {Palette.ALL: len(COLORS), Palette.BLACK_AND_WHITE: 2}
"""How many of the first colors a palette has."""


def color_images(size: int, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """One plain image a color, [14, 3, size, size] in [-1, 1]."""
    colors = torch.tensor(list(COLORS.values()), device=device, dtype=dtype)
    return colors[:, :, None, None].expand(-1, -1, size, size)


def composite(background: Tensor, foreground: Tensor, mask: Tensor, alpha_bar: float, noise: Tensor) -> Tensor:
    """The foreground [V, 4, s, s] where `mask` [V, 1, s, s] is 1, the noised background elsewhere.

    The background gets 1 - alpha_bar of noise and alpha_bar of itself, not their square roots: as the original does.
    """
    background = (1 - alpha_bar) * noise + alpha_bar * background
    return foreground * mask + background * (1 - mask)
