# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's frame (Z up) and the model's (y up). The maps are rotations, so windings stay; positions are [N, 3]."""

import numpy as np
from numpy.typing import NDArray


def blender_to_y_up(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(x, y, z) of Blender -> (x, z, -y) of the model."""
    x, y, z = positions.T
    return np.stack([x, z, -y], axis=1)


def y_up_to_blender(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse of `blender_to_y_up`."""
    x, y, z = positions.T
    return np.stack([x, -z, y], axis=1)
