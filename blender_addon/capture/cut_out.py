# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask of the object on a photograph, before any model runs: what differs from the colors along the image's border.

The engine removes backgrounds better, with a network or a graph cut. This one is there at once, so that the artist sees
and corrects what will be taken for the object; what she leaves in the mask is what the engine obeys.
"""

import numpy as np

COLORS, ROUNDS = 6, 8
"""Colors that a background may have, and rounds in which they are found (k-means)."""
SEED = 0


def is_opaque(pixels: np.ndarray) -> bool:
    """Whether an image [H, W, 4] shows a background: one that is transparent somewhere is cut out already."""
    return bool((pixels[..., 3] > 0.99).all())


def object_mask(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Where the object is, float32 [H, W] in [0, 1], soft by a pixel.

    Background is what can be reached from the border over pixels whose color is nearer than `threshold` (in [0, 1], of
    the largest channel) to one of the border's main colors. `pixels` are float32 [H, W, 4] as displayed.
    """
    colors = pixels[..., :3]
    border = np.concatenate([colors[0], colors[-1], colors[:, 0], colors[:, -1]])
    distance = np.min([np.abs(colors - color).max(axis=2) for color in _main_colors(border)], axis=0)
    background = _reached_from_border(distance < threshold)
    return _smooth(1.0 - background.astype(np.float32))


def _main_colors(colors: np.ndarray) -> np.ndarray:
    """The centers of clusters of colors [N, 3], at most COLORS of them."""
    chosen = np.random.default_rng(SEED).choice(len(colors), min(COLORS, len(colors)), replace=False)
    centers = colors[chosen]
    for _ in range(ROUNDS):
        nearest = ((colors[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        kept = [number for number in range(len(centers)) if (nearest == number).any()]
        centers = np.stack([colors[nearest == number].mean(axis=0) for number in kept])
    return centers


def _reached_from_border(free: np.ndarray) -> np.ndarray:
    """Those of the free pixels, bool [H, W], that are connected with the border over free ones."""
    reached = np.zeros_like(free)
    reached[[0, -1]], reached[:, [0, -1]] = free[[0, -1]], free[:, [0, -1]]
    count = -1
    while count != (count := int(reached.sum())):
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        reached = grown & free
    return reached


def _smooth(mask: np.ndarray) -> np.ndarray:
    """The mean of each pixel and its eight neighbors."""
    padded = np.pad(mask, 1, mode="edge")
    height, width = mask.shape
    shifted = [padded[row:row + height, column:column + width] for row in range(3) for column in range(3)]
    mean: np.ndarray = np.mean(shifted, axis=0, dtype=np.float32)
    return mean
