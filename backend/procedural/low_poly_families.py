# SPDX-License-Identifier: GPL-3.0-or-later
"""Things of two to seven closed parts with random proportions. Parts reach into each other a little, as artists'
parts do, so that no two share a corner."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .draw import Draw
from .low_poly_shapes import PolygonMesh, bevelled_box, box, circle, extrusion, lathe, prism
from .low_poly_solids import SOLIDS, ball, gable, stairs


def _legs(draw: Draw, width: float, depth: float, height: float) -> list[PolygonMesh]:
    """Four legs inside a rectangle, standing on z = 0, reaching a little above ``height``."""
    thick, splay, sides = draw.between(0.06, 0.12), draw.between(0.7, 1.0), draw.pick((4, 4, 6))
    profile = [(splay * thick / 1.4, 0.0), (thick / 1.4, height + 0.02)]
    leg = lathe(profile, sides, math.pi / sides)
    x, y = 0.5 * width - thick, 0.5 * depth - thick
    return [leg.moved((side * x, end * y, 0.0)) for side in (-1, 1) for end in (-1, 1)]


def _table(draw: Draw) -> list[PolygonMesh]:
    width, depth, height, thick = 1.0, draw.between(0.5, 1.0), draw.between(0.4, 0.8), draw.between(0.06, 0.15)
    return [box((width, depth, thick), (0.0, 0.0, height + 0.5 * thick)), *_legs(draw, width, depth, height)]


def _round_table(draw: Draw) -> list[PolygonMesh]:
    height, sides = draw.between(0.3, 0.9), draw.pick(range(6, 11))
    foot, stem = draw.between(0.2, 0.4), draw.between(0.05, 0.1)
    top = lathe([(0.5, height), (0.5, height + draw.between(0.06, 0.12))], sides)
    return [top, lathe([(foot, 0.0), (stem, draw.between(0.06, 0.15)), (stem, height + 0.02)], sides)]


def _stool(draw: Draw) -> list[PolygonMesh]:
    height, sides = draw.between(0.5, 1.0), draw.pick(range(6, 11))
    seat = lathe([(0.35, height), (0.38, height + draw.between(0.08, 0.15))], sides)
    thick = draw.between(0.08, 0.12)
    legs = [box((thick, thick, height + 0.03), (0.22 * x, 0.22 * y, 0.5 * height + 0.015))
            for x, y in circle(draw.pick((3, 4)))]
    return [seat, *legs]


def _chair(draw: Draw) -> list[PolygonMesh]:
    seat, thick, back = draw.between(0.35, 0.5), draw.between(0.06, 0.12), draw.between(0.4, 0.7)
    rest = box((0.5, thick, back), (0.0, 0.25 - 0.5 * thick, seat + 0.5 * thick + 0.5 * back))
    return [box((0.52, 0.54, thick), (0.0, 0.0, seat + 0.5 * thick)), rest, *_legs(draw, 0.5, 0.5, seat)]


def _bench(draw: Draw) -> list[PolygonMesh]:
    length, height, thick = 1.0, draw.between(0.25, 0.45), draw.between(0.06, 0.12)
    ends = [box((thick, 0.26, height + 0.01), (side * 0.35, 0.0, 0.5 * height)) for side in (-1, 1)]
    return [box((length, 0.3, thick), (0.0, 0.0, height + 0.5 * thick)), *ends]


def _bed(draw: Draw) -> list[PolygonMesh]:
    width, thick = draw.between(0.45, 0.8), draw.between(0.12, 0.25)
    head = box((width, 0.08, draw.between(0.4, 0.6)), (0.0, 0.5, 0.28))
    size = (0.7 * width, 0.22, 0.08)
    pillow = bevelled_box(size, 0.02).moved((0.0, 0.32, 0.2 + thick)) if draw.chance(0.5) else box(
        size, (0.0, 0.32, 0.2 + thick))
    return [box((0.96 * width, 1.0, thick), (0.0, 0.0, 0.17 + 0.5 * thick)), head, pillow]


def _house(draw: Draw) -> list[PolygonMesh]:
    length, width, wall, roof = (draw.between(0.5, 1.0), draw.between(0.4, 0.7), draw.between(0.3, 0.6),
                                 draw.between(0.15, 0.4))
    over = 1.0 + draw.between(0.05, 0.2)
    parts = [box((width, length, wall), (0.0, 0.0, 0.5 * wall)),
             gable(over * length, over * width, 0.0, roof).moved((0.0, 0.0, wall - 0.01))]
    if draw.chance(0.6):
        x = draw.between(0.12, 0.25) * width * draw.pick((-1, 1))
        parts.append(box((0.1, 0.1, 0.35), (x, draw.between(-0.3, 0.3) * length, wall + 0.6 * roof)))
    return parts


def _tower(draw: Draw) -> list[PolygonMesh]:
    sides, radius, height = draw.pick(range(4, 11)), draw.between(0.15, 0.3), draw.between(0.5, 0.9)
    turn = math.pi / sides
    body = lathe([(radius * draw.between(1.0, 1.3), 0.0), (radius, height)], sides, turn)
    roof = lathe([(1.3 * radius, height - 0.01), (0.0, height + draw.between(0.2, 0.5))], sides, turn)
    return [body, roof]


def _rocket(draw: Draw) -> list[PolygonMesh]:
    sides, radius, height = draw.pick(range(6, 11)), draw.between(0.1, 0.2), draw.between(0.5, 0.8)
    nose = height + draw.between(0.15, 0.4)
    body = lathe([(0.7 * radius, 0.0), (radius, 0.2), (radius, height), (0.0, nose)], sides)
    reach, top = radius + draw.between(0.12, 0.25), draw.between(0.2, 0.4)
    outline = np.array([[0.5 * radius, 0.02], [reach, -0.1], [reach, 0.08], [0.6 * radius, top]])
    fin = extrusion(outline, draw.between(0.05, 0.08)).rotated(0, math.pi / 2)
    count = draw.pick((3, 4))
    return [body, *(fin.rotated(2, 2.0 * math.pi * (number + 0.5) / count) for number in range(count))]


def _mushroom(draw: Draw) -> list[PolygonMesh]:
    sides, stem, height = draw.pick(range(6, 11)), draw.between(0.08, 0.18), draw.between(0.3, 0.6)
    radius, rise = draw.between(0.3, 0.5), draw.between(0.2, 0.4)
    cap = lathe([(0.6 * radius, height), (radius, height + 0.25 * rise), (0.7 * radius, height + 0.75 * rise),
                 (0.0, height + rise)], sides)
    return [lathe([(1.2 * stem, 0.0), (stem, height + 0.03)], sides), cap]


def _bottle(draw: Draw) -> list[PolygonMesh]:
    sides, radius, height = draw.pick(range(6, 11)), draw.between(0.15, 0.25), draw.between(0.35, 0.6)
    neck = draw.between(0.3, 0.5) * radius
    top = height + draw.between(0.3, 0.45)
    body = lathe([(radius, 0.0), (radius, height), (neck, height + 0.15), (neck, top)], sides)
    return [body, lathe([(1.3 * neck, top - 0.02), (1.3 * neck, top + 0.1)], sides)]


def _lamp(draw: Draw) -> list[PolygonMesh]:
    sides, height = draw.pick(range(6, 11)), draw.between(0.5, 0.8)
    shade = draw.between(0.25, 0.4)
    stand = lathe([(0.22, 0.0), (0.22, 0.05), (0.05, 0.08), (0.05, height + 0.05)], sides)
    return [stand, lathe([(shade, height), (draw.between(0.4, 0.7) * shade, height + draw.between(0.2, 0.35))], sides)]


def _tree(draw: Draw) -> list[PolygonMesh]:
    sides, height = draw.pick(range(5, 9)), draw.between(0.2, 0.4)
    parts = [lathe([(0.09, 0.0), (0.07, height + 0.05)], sides)]
    if draw.chance(0.4):
        radius = draw.between(0.25, 0.4)
        return [*parts, ball(draw, radius).moved((0.0, 0.0, height + 0.9 * radius))]
    radius, low = draw.between(0.3, 0.42), height
    for _ in range(draw.pick((1, 2, 3))):
        parts.append(lathe([(radius, low), (0.0, low + 0.4)], sides))
        radius, low = 0.75 * radius, low + 0.22
    return parts


def _snowman(draw: Draw) -> list[PolygonMesh]:
    radius, height, parts = draw.between(0.26, 0.34), 0.0, []
    for _ in range(draw.pick((2, 3))):
        parts.append(ball(draw, radius).moved((0.0, 0.0, height + 0.9 * radius)))
        height, radius = height + 1.65 * radius, 0.75 * radius
    return parts


def _car(draw: Draw) -> list[PolygonMesh]:
    width, height, cabin = draw.between(0.35, 0.5), draw.between(0.15, 0.25), draw.between(0.15, 0.25)
    body = box((width, 1.0, height), (0.0, 0.0, 0.1 + 0.5 * height))
    room = prism(circle(4, math.pi / 4) * (0.65 * width, draw.between(0.35, 0.5)), 0.0, cabin, draw.between(0.6, 0.9))
    radius, sides = draw.between(0.1, 0.14), draw.pick((6, 8))
    wheel = lathe([(radius, -0.04), (radius, 0.04)], sides).rotated(1, math.pi / 2)
    wheels = [wheel.moved((0.5 * side * width, 0.3 * end, radius)) for side in (-1, 1) for end in (-1, 1)]
    return [body, room.moved((0.0, draw.between(-0.15, 0.15), 0.09 + height)), *wheels]


def _hammer(draw: Draw) -> list[PolygonMesh]:
    length, sides = draw.between(0.6, 1.0), draw.pick((4, 6, 8))
    thick, head = draw.between(0.05, 0.08), draw.between(0.1, 0.16)
    handle = lathe([(thick, 0.0), (thick, length)], sides)
    if draw.chance(0.5):
        block = box((draw.between(0.35, 0.6), 2.0 * head, 2.0 * head))
    else:
        half = draw.between(0.18, 0.3)
        block = lathe([(head, -half), (head, half)], draw.pick((6, 8))).rotated(1, math.pi / 2)
    return [handle, block.moved((0.0, 0.0, length))]


def _sword(draw: Draw) -> list[PolygonMesh]:
    wide, thick, length = draw.between(0.05, 0.1), draw.between(0.03, 0.05), draw.between(0.6, 0.9)
    blade = lathe([(1.0, 0.2), (1.0, 0.2 + length), (0.0, 0.3 + length)], 4).scaled((wide, thick, 1.0))
    guard = box((draw.between(0.25, 0.4), 0.1, 0.07), (0.0, 0.0, 0.2))
    return [blade, guard, lathe([(0.05, 0.0), (0.05, 0.19)], draw.pick((4, 6))), ball(draw, 0.07)]


def _dumbbell(draw: Draw) -> list[PolygonMesh]:
    sides, radius, half = draw.pick(range(5, 9)), draw.between(0.15, 0.3), draw.between(0.25, 0.4)
    bar = lathe([(0.06, -half - 0.02), (0.06, half + 0.02)], sides)
    weight = lathe([(radius, 0.0), (radius, draw.between(0.1, 0.25))], sides)
    parts = [bar, weight.moved((0.0, 0.0, half)), weight.rotated(0, math.pi).moved((0.0, 0.0, -half))]
    return [part.rotated(1, math.pi / 2) for part in parts]


def _robot(draw: Draw) -> list[PolygonMesh]:
    width, height, leg = draw.between(0.3, 0.45), draw.between(0.3, 0.45), draw.between(0.25, 0.4)
    body = box((width, 0.25, height), (0.0, 0.0, leg + 0.5 * height))
    head = box((0.22, 0.2, 0.2), (0.0, 0.0, leg + height + 0.09))
    limbs = [box((0.09, 0.1, leg + 0.02), (side * 0.28 * width, 0.0, 0.5 * leg)) for side in (-1, 1)]
    arms = [box((0.08, 0.1, 0.9 * height), (side * (0.5 * width + 0.03), 0.0, leg + 0.5 * height)) for side in (-1, 1)]
    return [body, head, *limbs, *arms]


def _steps_and_platform(draw: Draw) -> list[PolygonMesh]:
    steps, depth, rise, width = draw.pick(range(2, 6)), 0.15, draw.between(0.08, 0.15), draw.between(0.3, 0.6)
    height = steps * rise
    platform = box((0.5, 1.1 * width, height + 0.03), (steps * depth + 0.24, 0.0, 0.5 * height + 0.015))
    return [stairs(steps, depth, rise, width), platform]


def _pile(draw: Draw) -> list[PolygonMesh]:
    """Two to four solids one on another."""
    parts, height = [], 0.0
    for _ in range(draw.pick((2, 2, 3, 4))):
        solid = draw.pick(tuple(SOLIDS.values()))(draw).scaled(draw.between(0.5, 1.0))
        low, high = solid.vertices.min(axis=0), solid.vertices.max(axis=0)
        middle = 0.5 * (low + high)
        shift = (draw.between(-0.1, 0.1) - middle[0], draw.between(-0.1, 0.1) - middle[1], height - low[2])
        parts.append(solid.moved(shift))
        height += high[2] - low[2] - 0.02
    return parts


def _group(draw: Draw) -> list[PolygonMesh]:
    """Two or three solids next to each other on the floor."""
    parts, edge = [], 0.0
    for _ in range(draw.pick((2, 2, 3))):
        solid = draw.pick(tuple(SOLIDS.values()))(draw).scaled(draw.between(0.5, 1.0))
        low, high = solid.vertices.min(axis=0), solid.vertices.max(axis=0)
        parts.append(solid.moved((edge - low[0], draw.between(-0.2, 0.2) - 0.5 * (low[1] + high[1]), -low[2])))
        edge += high[0] - low[0] + draw.between(0.05, 0.3)
    return parts


FAMILIES: dict[str, Callable[[Draw], list[PolygonMesh]]] = {
    "table": _table, "round table": _round_table, "stool": _stool, "chair": _chair, "bench": _bench, "bed": _bed,
    "house": _house, "tower": _tower, "rocket": _rocket, "mushroom": _mushroom, "bottle": _bottle, "lamp": _lamp,
    "tree": _tree, "snowman": _snowman, "car": _car, "hammer": _hammer, "sword": _sword, "dumbbell": _dumbbell,
    "robot": _robot, "stairs": _steps_and_platform,
}
ARRANGEMENTS: dict[str, Callable[[Draw], list[PolygonMesh]]] = {"pile": _pile, "group": _group}
