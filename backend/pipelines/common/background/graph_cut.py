# SPDX-License-Identifier: GPL-3.0-or-later
"""The object of a photograph without any network: colors of the border are background, the rest is cut along edges.

Rother, Kolmogorov and Blake, "GrabCut": Interactive foreground extraction using iterated graph cuts, 2004.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ..image_files import RgbaArray

SIDE = 320
"""Pixels of the longer side at which the cut is made."""
ROUNDS = 6
FRAME = 0.025
"""Width of the border that is surely background, relative to the shorter side."""
REACH = 0.46
"""Radii of the ellipse in the middle in which the object is looked for at first, relative to the image."""
AREA = (0.01, 0.85)
"""Shares of the image between which an object is believed."""
MAIN_SHARE = 0.6
"""Share of the object that must be in one piece: else colors were found, not an object."""


def graph_cut_mask(rgba: RgbaArray, check: Callable[[], None]) -> NDArray[np.uint8] | None:
    """How much of each pixel is the object, uint8 [H, W] in [0, 255]; None where no one object was found.

    `check` is called every round, a few times a second, and may raise to cancel.
    """
    height, width = rgba.shape[:2]
    scale = min(SIDE / max(height, width), 1.0)
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = cv2.resize(np.ascontiguousarray(rgba[..., 2::-1]), size, interpolation=cv2.INTER_AREA)
    labels = _first_guess(size)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    for round_ in range(ROUNDS):
        check()
        mode = cv2.GC_EVAL if round_ else cv2.GC_INIT_WITH_MASK
        cv2.grabCut(small, labels, (0, 0, 0, 0), background, foreground, 1, mode)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = _main_object(found)
    if whole is None:
        return None
    soft = cv2.GaussianBlur(whole * np.float32(255), (0, 0), 0.8)
    return np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), 0, 255).astype(np.uint8)


def _first_guess(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The frame is background, an ellipse in the middle perhaps the object, the rest perhaps background."""
    width, height = size
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    cv2.ellipse(labels, (width // 2, height // 2), (int(width * REACH), int(height * REACH)), 0, 0, 360,
                (cv2.GC_PR_FGD,), -1)
    frame = max(round(FRAME * min(size)), 1)
    labels[:frame] = labels[-frame:] = labels[:, :frame] = labels[:, -frame:] = cv2.GC_BGD
    return labels


def _main_object(found: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The largest piece without its holes and hairs; None where it is not most of what was found."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    smooth = cv2.morphologyEx(cv2.morphologyEx(found, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    _, pieces, statistics, _ = cv2.connectedComponentsWithStats(smooth, connectivity=4)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if not len(areas) or areas.max() < MAIN_SHARE * areas.sum() or not AREA[0] <= areas.max() / found.size <= AREA[1]:
        return None
    main = (pieces == 1 + int(areas.argmax())).astype(np.uint8)
    outlines, _ = cv2.findContours(main, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(main), outlines, -1, (1,), -1)
