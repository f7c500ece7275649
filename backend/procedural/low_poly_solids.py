# SPDX-License-Identifier: GPL-3.0-or-later
"""Single solids with random proportions, each a closed polygon mesh of one part."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .draw import Draw
from .low_poly_shapes import (
    FloatArray,
    PolygonMesh,
    bevelled_box,
    box,
    circle,
    extrusion,
    icosphere,
    lathe,
    loft,
    prism,
    torus,
    tube,
)


def _sides(draw: Draw, low: int = 5, high: int = 14) -> int:
    return draw.pick(range(low, high + 1))


def _block(draw: Draw) -> PolygonMesh:
    return box([math.exp(draw.between(-1.2, 0.0)) for _ in range(3)])


def _board(draw: Draw) -> PolygonMesh:
    return box((draw.between(0.5, 1.0), draw.between(0.3, 1.0), draw.between(0.06, 0.2)))


def _post(draw: Draw) -> PolygonMesh:
    return box((draw.between(0.08, 0.3), draw.between(0.08, 0.3), draw.between(0.6, 1.0)))


def _soft_block(draw: Draw) -> PolygonMesh:
    size = [math.exp(draw.between(-1.2, 0.0)) for _ in range(3)]
    return bevelled_box(size, draw.between(0.12, 0.35) * min(size))


def _prism(draw: Draw) -> PolygonMesh:
    outline = draw.between(0.2, 0.5) * circle(_sides(draw, 3, 8), draw.between(0.0, math.pi))
    taper = draw.between(0.4, 1.0) if draw.chance(0.5) else 1.0
    return prism(outline * (1.0, draw.between(0.5, 1.0)), 0.0, draw.between(0.1, 1.0), taper)


def _cylinder(draw: Draw) -> PolygonMesh:
    radius, height, levels = draw.between(0.08, 0.5), draw.between(0.15, 1.0), draw.pick((2, 2, 3, 4, 5))
    return lathe([(radius, height * level / (levels - 1)) for level in range(levels)], _sides(draw, 6))


def _cone(draw: Draw) -> PolygonMesh:
    return lathe([(draw.between(0.15, 0.5), 0.0), (0.0, draw.between(0.2, 1.0))], _sides(draw, 3))


def _pyramid(draw: Draw) -> PolygonMesh:
    outline = circle(4, math.pi / 4) * (draw.between(0.25, 0.6), draw.between(0.25, 0.6))
    return loft(np.column_stack([outline, np.zeros(4)])[None], top=draw.between(0.2, 0.9))


def _spindle(draw: Draw) -> PolygonMesh:
    radius = draw.between(0.15, 0.5)
    return lathe([(0.0, -draw.between(0.2, 0.6)), (radius, 0.0), (0.0, draw.between(0.2, 0.6))], _sides(draw, 4, 9))


def _wedge(draw: Draw) -> PolygonMesh:
    length, height = draw.between(0.4, 1.0), draw.between(0.15, 0.7)
    outline = np.array([[0.0, 0.0], [length, 0.0], [length * draw.between(0.0, 1.0), height]])
    return extrusion(outline, draw.between(0.2, 0.9)).rotated(0, math.pi / 2)


def ball(draw: Draw, radius: float) -> PolygonMesh:
    """A sphere around the origin, of rings or of a subdivided icosahedron."""
    if draw.chance(0.4):
        return icosphere(draw.chance(0.6)).scaled(radius)
    rings = draw.pick(range(4, 8))
    angles = [math.pi * ring / rings for ring in range(rings + 1)]
    profile = [(radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]
    profile[0], profile[-1] = (0.0, -radius), (0.0, radius)
    return lathe(profile, _sides(draw, 6, 12))


def _ellipsoid(draw: Draw) -> PolygonMesh:
    return ball(draw, 0.5).scaled([draw.between(0.5, 1.0) for _ in range(3)])


def _capsule(draw: Draw) -> PolygonMesh:
    radius, height = draw.between(0.1, 0.3), draw.between(0.3, 0.8)
    low, high = 0.7 * radius, height + 0.3 * radius
    profile = [(0.0, 0.0), (0.7 * radius, 0.3 * radius), (radius, radius), (radius, height), (low, high + 0.4 * radius)]
    return lathe([*profile, (0.0, height + radius)], _sides(draw, 6, 10))


def _torus(draw: Draw) -> PolygonMesh:
    return torus(0.4, draw.between(0.08, 0.2), _sides(draw, 6, 14), _sides(draw, 4, 8))


def _vessel(draw: Draw) -> PolygonMesh:
    """A vase, a bottle, a baluster: four to eight radii one above the other."""
    levels = draw.pick(range(4, 9))
    profile, height = [], 0.0
    for _ in range(levels):
        profile.append((draw.between(0.12, 0.45), height))
        height += draw.between(0.12, 0.35)
    if draw.chance(0.3):
        profile.append((0.0, height))
    return lathe(profile, _sides(draw, 5, 12))


def _pipe(draw: Draw) -> PolygonMesh:
    angles = np.linspace(0.0, draw.between(0.6, 2.4), draw.pick(range(4, 9)))
    return tube(0.5 * np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1), draw.between(0.08, 0.2),
                _sides(draw, 4, 8))


LETTERS: dict[str, tuple[tuple[float, float], ...]] = {
    "l": ((0, 0), (3, 0), (3, 1), (1, 1), (1, 5), (0, 5)),
    "t": ((1, 0), (2, 0), (2, 4), (3, 4), (3, 5), (0, 5), (0, 4), (1, 4)),
    "u": ((0, 0), (4, 0), (4, 5), (3, 5), (3, 1), (1, 1), (1, 5), (0, 5)),
    "h": ((0, 0), (1, 0), (1, 2), (3, 2), (3, 0), (4, 0), (4, 5), (3, 5), (3, 3), (1, 3), (1, 5), (0, 5)),
    "f": ((0, 0), (1, 0), (1, 2), (2, 2), (2, 3), (1, 3), (1, 4), (3, 4), (3, 5), (0, 5)),
    "e": ((0, 0), (3, 0), (3, 1), (1, 1), (1, 2), (2, 2), (2, 3), (1, 3), (1, 4), (3, 4), (3, 5), (0, 5)),
    "plus": ((1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1)),
    "arrow": ((1, 0), (2, 0), (2, 3), (3, 3), (1.5, 5), (0, 3), (1, 3)),
    "z": ((0, 0), (3, 0), (3, 1), (1.2, 1), (3, 4), (3, 5), (0, 5), (0, 4), (1.8, 4), (0, 1)),
}
"""Outlines counter-clockwise, by what they look like."""


def _letter(draw: Draw) -> PolygonMesh:
    outline = 0.2 * np.array(draw.pick(tuple(LETTERS.values())))
    outline *= draw.between(0.7, 1.3), 1.0
    return extrusion(outline, draw.between(0.12, 0.5)).rotated(0, math.pi / 2)


def star_outline(points: int, inner: float) -> FloatArray:
    """Corners [2 n, 2] of a star of radius 1."""
    return circle(2 * points) * np.where(np.arange(2 * points) % 2, inner, 1.0)[:, None]


def _star(draw: Draw) -> PolygonMesh:
    outline = 0.5 * star_outline(draw.pick(range(4, 8)), draw.between(0.4, 0.7))
    return extrusion(outline, draw.between(0.1, 0.4)).rotated(0, math.pi / 2 * draw.pick((0, 1)))


def _gear(draw: Draw) -> PolygonMesh:
    teeth = draw.pick(range(5, 9))
    radius = np.tile([1.0, 1.0, draw.between(0.65, 0.85), 0.75], teeth)
    radius[3::4] = radius[2::4]
    return extrusion(0.5 * circle(4 * teeth) * radius[:, None], draw.between(0.1, 0.4))


def stairs(steps: int, depth: float, rise: float, width: float) -> PolygonMesh:
    """Solid stairs that climb along x."""
    outline = [(0.0, 0.0), (steps * depth, 0.0)]
    for step in range(steps, 0, -1):
        outline += [(step * depth, step * rise), ((step - 1) * depth, step * rise)]
    return extrusion(np.array(outline), width).rotated(0, math.pi / 2)


def _stairs(draw: Draw) -> PolygonMesh:
    return stairs(draw.pick(range(2, 7)), draw.between(0.12, 0.25), draw.between(0.1, 0.2), draw.between(0.25, 0.8))


def gable(length: float, width: float, wall: float, roof: float) -> PolygonMesh:
    """A house's body with its roof as one solid, the ridge along y; a wall height of 0 is the roof alone."""
    half = 0.5 * width
    corners = [(-half, 0.0), (half, 0.0), (0.0, wall + roof)]
    if wall:
        corners = [*corners[:2], (half, wall), corners[2], (-half, wall)]
    return extrusion(np.array(corners), length).rotated(0, math.pi / 2)


def _gable(draw: Draw) -> PolygonMesh:
    return gable(draw.between(0.4, 1.0), draw.between(0.3, 0.7), draw.between(0.2, 0.6), draw.between(0.1, 0.4))


def _arch(draw: Draw) -> PolygonMesh:
    outer, share, segments = 0.5, draw.between(0.5, 0.8), draw.pick(range(4, 9))
    angles = np.linspace(0.0, math.pi, segments + 1)
    bow = outer * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    legs = draw.between(0.1, 0.6)
    outline = [(outer, -legs), *bow, (-outer, -legs), (-share * outer, -legs), *(share * bow[::-1]),
               (share * outer, -legs)]
    return extrusion(np.array(outline), draw.between(0.12, 0.5)).rotated(0, math.pi / 2)


def _shard(draw: Draw) -> PolygonMesh:
    """A crystal or a rock: a few irregular rings, pointed or blunt."""
    sides, levels = _sides(draw, 4, 8), draw.pick((2, 3, 4))
    rings = np.empty((levels, sides, 3))
    for level in range(levels):
        radius = draw.between(0.2, 0.5) * np.array([draw.between(0.8, 1.2) for _ in range(sides)])
        rings[level, :, :2] = circle(sides) * radius[:, None]
        rings[level, :, 2] = 0.3 * level
    points = [draw.between(0.1, 0.4) if draw.chance(0.6) else None for _ in range(2)]
    return loft(rings, None if points[0] is None else -points[0],
                None if points[1] is None else 0.3 * (levels - 1) + points[1])


SOLIDS: dict[str, Callable[[Draw], PolygonMesh]] = {
    "block": _block, "board": _board, "post": _post, "soft block": _soft_block, "prism": _prism,
    "cylinder": _cylinder, "cone": _cone, "pyramid": _pyramid, "spindle": _spindle, "wedge": _wedge,
    "ellipsoid": _ellipsoid, "capsule": _capsule, "torus": _torus, "vessel": _vessel, "pipe": _pipe,
    "letter": _letter, "star": _star, "gear": _gear, "stairs": _stairs, "gable": _gable, "arch": _arch,
    "shard": _shard,
}
