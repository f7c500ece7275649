# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-poly objects by number: closed parts of about 12 to 300 triangles, as an artist would build them.

z is up, the longest side is of the order of 1; every object is turned about z. An object of one split never has the
seed of another.
"""

from __future__ import annotations

import math

import numpy as np

from ..contract import MeshData
from .dataset import Split
from .draw import Draw
from .low_poly_families import ARRANGEMENTS, FAMILIES
from .low_poly_shapes import PolygonMesh, triangulated
from .low_poly_solids import SOLIDS

SOLIDS_SHARE, ARRANGEMENTS_SHARE = 0.4, 0.2
"""Shares of the objects that are one solid, and several solids piled or side by side; the others are things."""
ALIGNED_SHARE = 0.3
"""Share of the objects whose turn is a multiple of 90 degrees."""
_SEED = 0x10707
"""Sets these objects' seeds apart from those of the other drawn objects."""


def low_poly_object(split: Split, number: int, seed: int = 0) -> MeshData:
    """Return object ``number`` of a split, the same one always."""
    draw = Draw(np.random.default_rng((_SEED, seed, int(split), number)))
    parts = _parts(draw)
    turn = draw.pick(range(4)) * math.pi / 2 if draw.chance(ALIGNED_SHARE) else draw.between(0.0, 2.0 * math.pi)
    return triangulated([part.rotated(2, turn) for part in parts])


def _parts(draw: Draw) -> list[PolygonMesh]:
    kind = draw.between(0.0, 1.0)
    if kind < SOLIDS_SHARE:
        return [_solid(draw)]
    families = ARRANGEMENTS if kind < SOLIDS_SHARE + ARRANGEMENTS_SHARE else FAMILIES
    return draw.pick(tuple(families.values()))(draw)


def _solid(draw: Draw) -> PolygonMesh:
    """One solid, mostly upright, else lying or tilted."""
    solid = draw.pick(tuple(SOLIDS.values()))(draw)
    if draw.chance(0.3):
        solid = solid.rotated(draw.pick((0, 1)), draw.pick((-1, 1)) * math.pi / 2)
    elif draw.chance(0.15):
        solid = solid.rotated(0, draw.between(-0.6, 0.6))
    return solid
