# SPDX-License-Identifier: GPL-3.0-or-later
"""Coordinate frames: the decoder's internal one, glTF's and Blender's (SPEC 1, Axes).

All are right-handed and the maps are rotations, so windings stay. Internal z is up; internal x is the front, which is
glTF +Z and Blender -Y. Every function takes and returns positions or directions [N, 3].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.floating]


def internal_to_gltf(positions: Positions) -> Positions:
    """(X, Y, Z) = (y, z, x)."""
    return positions[:, [1, 2, 0]]


def internal_to_blender(positions: Positions) -> Positions:
    """(X, Y, Z) = (y, -x, z)."""
    x, y, z = positions.T
    return np.stack([y, -x, z], axis=1)


def blender_to_internal(positions: Positions) -> Positions:
    """(x, y, z) = (-Y, X, Z)."""
    x, y, z = positions.T
    return np.stack([-y, x, z], axis=1)
