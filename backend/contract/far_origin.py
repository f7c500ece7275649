# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes far from the origin: single precision keeps seven digits of a coordinate, and shapes would suffer."""

import numpy as np
from numpy.typing import NDArray

FAR = 100.0
"""Times its size: farther from the origin, a mesh is moved there before it becomes single precision."""


def middle_if_far(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The middle of the bounds of points [N, 3], float64 [3], in whole units, if it is far from 0; else 0."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    middle = (low + high) / 2
    far = np.abs(middle).max() > FAR * np.linalg.norm(high - low)
    return np.asarray(np.round(middle) if far else np.zeros(3), np.float64)
