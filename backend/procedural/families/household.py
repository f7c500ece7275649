# SPDX-License-Identifier: GPL-3.0-or-later
"""Mugs, teapots, hammers and swords."""

from __future__ import annotations

import numpy as np

from ..draw import Draw
from ..shapes import ALONG_Y, Sketch, arc, box, cylinder, frustum, rotation_to, span, sphere, tube, turn, wedge
from .furniture import OVERLAP

UPRIGHT_ARC = turn("z", 90.0) @ turn("x", 90.0)
"""Takes an arc's plane to the yz plane, its middle to +y."""


def mug(draw: Draw) -> Sketch:
    """Hollow cup and a handle on one side."""
    sketch = Sketch()
    radius, height = draw.between(0.5, 0.7), draw.between(1.0, 1.5)
    wall = draw.between(0.13, 0.16)
    cup = tube((0.0, 0.0, height / 2), radius, wall, height)
    bottom = cylinder((0.0, 0.0, 0.08), radius - 0.02, 0.16)
    sketch.add("cup", draw.color(), cup, bottom)
    side = draw.pick([1.0, -1.0])
    rotation = UPRIGHT_ARC if side > 0 else turn("z", 180.0) @ UPRIGHT_ARC
    reach = draw.between(0.28, 0.38)
    center = (0.0, side * (radius + 0.01), height * draw.between(0.48, 0.55))
    sketch.add("handle", draw.color(), arc(center, reach, draw.between(0.14, 0.18), 180.0, rotation), touches=["cup"])
    return sketch


def teapot(draw: Draw) -> Sketch:
    """Round body, lid with a knob, spout, handle."""
    sketch = Sketch()
    radius = draw.between(0.52, 0.6)
    squat = draw.between(0.85, 1.0) * radius
    sketch.add("body", draw.color(), cylinder((0.0, 0.0, 0.0), radius, 2 * squat, 0.8 * squat))
    lid_low = squat - OVERLAP
    color = draw.color()
    lid = cylinder((0.0, 0.0, lid_low + 0.07), draw.between(0.26, 0.32), 0.14, 0.05)
    knob = sphere((0.0, 0.0, lid_low + 0.22), draw.between(0.1, 0.13))
    sketch.add("lid", color, lid, knob, touches=["body"])
    side = draw.pick([1.0, -1.0])
    direction = np.array([0.0, side, draw.between(0.75, 1.1)])
    direction /= np.linalg.norm(direction)
    start = np.array([0.0, side * (radius - 0.06), -0.12])
    length = draw.between(0.5, 0.6)
    spout = frustum(start + direction * length / 2, 0.16, 0.09, length, 0.0, rotation_to(direction))
    sketch.add("spout", draw.color(), spout, touches=["body"])
    rotation = UPRIGHT_ARC if side < 0 else turn("z", 180.0) @ UPRIGHT_ARC
    handle = arc(
        (0.0, -side * (radius - 0.02), 0.0), draw.between(0.27, 0.33), draw.between(0.13, 0.16), 190.0, rotation
    )
    sketch.add("handle", color, handle, touches=["body"])
    return sketch


def hammer(draw: Draw) -> Sketch:
    """Handle, head across it, a thicker grip."""
    sketch = Sketch()
    radius, length = draw.between(0.08, 0.11), draw.between(0.75, 0.95)
    grip = draw.between(0.45, 0.6)
    sketch.add("handle", draw.color(), cylinder((0.0, 0.0, grip + length / 2), radius, length))
    top = grip + length
    thick, width = draw.between(0.3, 0.42), draw.between(0.8, 1.15)
    center = (0.0, draw.between(-0.12, 0.12), top + thick / 2 - 0.06)
    if draw.chance(0.5):
        head = box(center, (thick, width, thick), draw.pick([0.0, 0.05]))
    else:
        head = cylinder(center, thick / 2, width, 0.0, ALONG_Y)
    sketch.add("head", draw.color(), head, touches=["handle"])
    hold = cylinder((0.0, 0.0, (grip + OVERLAP) / 2), radius + draw.between(0.04, 0.07), grip + OVERLAP, 0.04)
    sketch.add("grip", draw.color(), hold, touches=["handle"])
    return sketch


def sword(draw: Draw) -> Sketch:
    """Blade with a point, guard, grip, pommel; it stands on the pommel."""
    sketch = Sketch()
    pommel, hold, guard = draw.between(0.13, 0.17), draw.between(0.34, 0.48), draw.between(0.19, 0.24)
    width, thick = draw.between(0.22, 0.34), draw.between(0.1, 0.13)
    grip_low = 2 * pommel - OVERLAP
    guard_low = grip_low + hold - OVERLAP
    blade_low = guard_low + guard - OVERLAP
    straight, point = draw.between(0.75, 0.95), draw.between(0.18, 0.28)
    blade = span((-thick / 2, -width / 2, blade_low), (thick / 2, width / 2, blade_low + straight))
    tip = wedge((0.0, 0.0, blade_low + straight + point / 2 - 0.005), (thick, width, point + 0.01))
    sketch.add("blade", draw.tint(0.58, 0.15, 0.8), blade, tip)
    reach = draw.between(0.35, 0.5)
    cross = box((0.0, 0.0, guard_low + guard / 2), (0.22, 2 * reach, guard), draw.pick([0.0, 0.05]))
    sketch.add("guard", draw.color(), cross, touches=["blade"])
    grip = cylinder((0.0, 0.0, grip_low + hold / 2), draw.between(0.08, 0.1), hold)
    sketch.add("grip", draw.color(), grip, touches=["guard"])
    sketch.add("pommel", draw.color(), sphere((0.0, 0.0, pommel), pommel), touches=["grip"])
    return sketch
