# SPDX-License-Identifier: GPL-3.0-or-later
"""The families of objects: each draws one sketch with random proportions, styles and colors.

Rules that every family keeps (tests prove them on the signed distances): parts are at least 0.08 thick in the
normalized frame; parts that touch overlap by a little; parts of one volume stay clear of each other.
"""

from __future__ import annotations

from collections.abc import Callable

from ..draw import Draw
from ..shapes import Sketch
from .figures import robot, snowman
from .furniture import bed, bookshelf, chair, lamp, table
from .household import hammer, mug, sword, teapot
from .scenery import cactus, house, mushroom, tree
from .vehicles import airplane, car, rocket

FAMILIES: dict[str, Callable[[Draw], Sketch]] = {
    family.__name__: family
    for family in (
        airplane,
        bed,
        bookshelf,
        cactus,
        car,
        chair,
        hammer,
        house,
        lamp,
        mug,
        mushroom,
        robot,
        rocket,
        snowman,
        sword,
        table,
        teapot,
        tree,
    )
}
