# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions between coordinate frames, each written once. A pipeline applies them in its `job` and nowhere else.

All frames are right-handed and all maps are rotations, so windings stay. Functions take and return positions or
directions `[N, 3]` of any floating type.

- Blender: Z up, the object's front toward -Y. Everything in a job folder is in it.
- Y up: the front toward +Z. glTF and OBJ files, camera rigs, and models that were trained on glTF files.
- X front: Z up, the front toward +X. Models that were trained on such grids, and the procedural objects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.floating]

BLENDER_TO_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)
"""`blender_to_y_up` as a matrix for column vectors, float64 [4, 4]."""


def blender_to_y_up(positions: Positions) -> Positions:
    """(x, y, z) -> (x, z, -y)."""
    x, y, z = positions.T
    return np.stack([x, z, -y], axis=1)


def y_up_to_blender(positions: Positions) -> Positions:
    """(x, y, z) -> (x, -z, y)."""
    x, y, z = positions.T
    return np.stack([x, -z, y], axis=1)


def x_front_to_blender(positions: Positions) -> Positions:
    """(x, y, z) -> (y, -x, z)."""
    x, y, z = positions.T
    return np.stack([y, -x, z], axis=1)


def blender_to_x_front(positions: Positions) -> Positions:
    """(x, y, z) -> (-y, x, z)."""
    x, y, z = positions.T
    return np.stack([-y, x, z], axis=1)
