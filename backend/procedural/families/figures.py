# SPDX-License-Identifier: GPL-3.0-or-later
"""Robots and snowmen."""

from __future__ import annotations

import math

from ..draw import Draw
from ..shapes import ALONG_X, Sketch, box, capsule, cylinder, frustum, span, sphere
from .furniture import OVERLAP


def robot(draw: Draw) -> Sketch:
    """Torso, head with or without an antenna, two arms, two legs."""
    sketch = Sketch()
    width, depth, tall = draw.between(0.75, 0.95), draw.between(0.38, 0.5), draw.between(0.6, 0.75)
    legs = draw.between(0.4, 0.55)
    rounding = draw.pick([0.0, 0.06])
    torso = span((-depth / 2, -width / 2, legs), (depth / 2, width / 2, legs + tall), rounding)
    sketch.add("torso", draw.color(), torso)
    top, size = legs + tall, draw.between(0.38, 0.48)
    if draw.chance(0.6):
        head = box((0.0, 0.0, top - OVERLAP + size / 2), (0.85 * size, 1.1 * size, size), rounding)
    else:
        head = sphere((0.0, 0.0, top - 0.05 + size / 2), size / 2)
    sketch.add("head", draw.color(), head, touches=["torso"])
    color, thick, long = draw.color(), draw.between(0.16, 0.2), draw.between(0.45, 0.55)
    round_arms = draw.chance(0.5)
    for side, sign in (("left", 1), ("right", -1)):
        y, high = sign * (width / 2 - OVERLAP - 0.01 + thick / 2), top - 0.14
        if round_arms:
            limb = capsule((0.0, y, high - thick / 2), (0.0, y, high - long), thick / 2)
        else:
            limb = span((-thick / 2, y - thick / 2, high - long), (thick / 2, y + thick / 2, high))
        sketch.add(f"arm {side}", color, limb, touches=["torso"])
    color = draw.color()
    outer, inner = width / 2 - 0.15, draw.between(0.07, 0.09)
    for side, sign in (("left", 1), ("right", -1)):
        low_y, high_y = sorted((sign * inner, sign * outer))
        limb = span((-0.14, low_y, 0.0), (0.14, high_y, legs + OVERLAP))
        foot = span((-0.14, low_y, 0.0), (0.14 + draw.between(0.0, 0.12), high_y, 0.13))
        sketch.add(f"leg {side}", color, limb, foot, touches=["torso"])
    if draw.chance(0.5):
        crown = top - 0.05 + size
        stick = cylinder((0.0, 0.0, crown + 0.05), 0.05, 0.2)
        sketch.add("antenna", draw.color(), stick, sphere((0.0, 0.0, crown + 0.17), 0.09), touches=["head"])
    return sketch


def snowman(draw: Draw) -> Sketch:
    """Three balls, hat, carrot nose, arms."""
    sketch = Sketch()
    low, middle, head = draw.between(0.46, 0.56), draw.between(0.34, 0.42), draw.between(0.27, 0.32)
    first = low
    second = first + low + middle - 0.08
    third = second + middle + head - 0.07
    sketch.add("ball low", draw.tint(0.58, 0.1, 0.9), sphere((0.0, 0.0, first), low))
    sketch.add("ball middle", draw.tint(0.08, 0.12, 0.85), sphere((0.0, 0.0, second), middle), touches=["ball low"])
    sketch.add("head", draw.tint(0.58, 0.1, 0.9), sphere((0.0, 0.0, third), head), touches=["ball middle"])
    brim = third + 0.82 * head
    color = draw.color()
    tall = draw.between(0.24, 0.34)
    rim = cylinder((0.0, 0.0, brim + 0.06), head * 1.05, 0.12)
    crown = cylinder((0.0, 0.0, brim + tall / 2), head * 0.7, tall)
    sketch.add("hat", color, rim, crown, touches=["head"])
    reach = draw.between(0.24, 0.34)
    nose = frustum((head - 0.05 + reach / 2, 0.0, third), 0.08, 0.04, reach, 0.0, ALONG_X)
    sketch.add("nose", draw.tint(0.07, 0.8, 0.9), nose, touches=["head"])
    rise = math.radians(draw.between(5.0, 25.0))
    color, length = draw.tint(0.08, 0.6, 0.35), draw.between(0.35, 0.45)
    for side, sign in (("left", 1), ("right", -1)):
        start, end = middle, middle + length
        y, z = sign * math.cos(rise), math.sin(rise)
        arm = capsule((0.0, start * y, second + start * z), (0.0, end * y, second + end * z), 0.065)
        sketch.add(f"arm {side}", color, arm, touches=["ball middle"])
    return sketch
