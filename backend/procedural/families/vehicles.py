# SPDX-License-Identifier: GPL-3.0-or-later
"""Cars, rockets and airplanes."""

from __future__ import annotations

import math

from ..draw import Draw
from ..shapes import ALONG_X, ALONG_Y, Sketch, box, capsule, cylinder, frustum, span, turn
from .furniture import OVERLAP


def car(draw: Draw) -> Sketch:
    """Body on four wheels with a cabin, or a truck with cab and load."""
    sketch = Sketch()
    length, width = draw.between(1.6, 1.9), draw.between(0.7, 0.9)
    radius = draw.between(0.19, 0.25)
    low = 0.9 * radius
    high = low + radius + draw.between(0.18, 0.26)
    half = length / 2
    rounding = draw.pick([0.0, 0.06])
    sketch.add("body", draw.color(), span((-half, -width / 2, low), (half, width / 2, high), rounding))
    roof, inset = high + draw.between(0.28, 0.4), draw.between(0.03, 0.08)
    sides = (-width / 2 + inset, width / 2 - inset)
    if draw.chance(0.6):
        rear, front = -half + draw.between(0.1, 0.35), half - draw.between(0.4, 0.6)
        cabin = span((rear, sides[0], high - OVERLAP), (front, sides[1], roof), draw.pick([0.0, 0.09]))
        sketch.add("cabin", draw.color(), cabin, touches=["body"])
    else:
        split = draw.between(0.15, 0.3)
        cab = span((split + 0.08, sides[0], high - OVERLAP), (half - 0.08, sides[1], roof), 0.06)
        load = span((-half + 0.04, sides[0], high - OVERLAP), (split - 0.08, sides[1], roof + draw.between(0.0, 0.2)))
        sketch.add("cab", draw.color(), cab, touches=["body"])
        sketch.add("load", draw.color(), load, touches=["body"])
    color, broad = draw.tint(0.6, 0.2, 0.25), draw.between(0.15, 0.2)
    axle = half - radius - draw.between(0.08, 0.16)
    for name, x in (("front", axle), ("rear", -axle)):
        for side, sign in (("left", 1), ("right", -1)):
            center = (x, sign * (width / 2 - OVERLAP + broad / 2), radius)
            sketch.add(f"wheel {name} {side}", color, cylinder(center, radius, broad, 0.0, ALONG_Y), touches=["body"])
    return sketch


def rocket(draw: Draw) -> Sketch:
    """Cylindrical body, nose cone, nozzle, three or four fins."""
    sketch = Sketch()
    radius, length = draw.between(0.27, 0.35), draw.between(0.9, 1.1)
    low = 0.22
    high = low + length
    sketch.add("body", draw.color(), cylinder((0.0, 0.0, low + length / 2), radius, length))
    nose = draw.between(0.4, 0.6)
    cone = frustum((0.0, 0.0, high - OVERLAP + nose / 2), radius, 0.07, nose, draw.pick([0.0, 0.06]))
    sketch.add("nose", draw.color(), cone, touches=["body"])
    nozzle = frustum((0.0, 0.0, (low + OVERLAP) / 2), radius - 0.04, radius - 0.16, low + OVERLAP)
    sketch.add("nozzle", draw.color(), nozzle, touches=["body"])
    color, count = draw.color(), draw.pick([3, 4])
    reach, tall = draw.between(0.3, 0.42), draw.between(0.35, 0.5)
    for number in range(count):
        angle = 360.0 * number / count + (45.0 if count == 4 else 60.0)
        rotation = turn("z", angle)
        distance = radius - OVERLAP - 0.01 + reach / 2
        x, y = distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle))
        fin = box((x, y, low + 0.12 + tall / 2), (reach, 0.11, tall), 0.0, rotation)
        sketch.add(f"fin {number + 1}", color, fin, touches=["body"])
    return sketch


def airplane(draw: Draw) -> Sketch:
    """Fuselage, two wings, tail fin, two tailplanes, sometimes a propeller hub."""
    sketch = Sketch()
    radius, length = draw.between(0.2, 0.26), draw.between(1.2, 1.4)
    sketch.add("fuselage", draw.color(), capsule((-length / 2, 0.0, 0.0), (length / 2, 0.0, 0.0), radius))
    color, span_y, chord = draw.color(), draw.between(0.55, 0.7), draw.between(0.34, 0.5)
    x, thick = draw.between(0.05, 0.2), draw.between(0.1, 0.12)
    inner = radius - 0.04
    for side, sign in (("left", 1), ("right", -1)):
        wing = box((x, sign * (inner + span_y / 2), 0.0), (chord, span_y, thick))
        sketch.add(f"wing {side}", color, wing, touches=["fuselage"])
    tail_x, tail = -length / 2, draw.between(0.24, 0.3)
    tall = draw.between(0.32, 0.42)
    fin = box((tail_x, 0.0, inner + tall / 2), (tail, thick, tall))
    sketch.add("fin", draw.color(), fin, touches=["fuselage"])
    reach = draw.between(0.28, 0.38)
    for side, sign in (("left", 1), ("right", -1)):
        plane = box((tail_x, sign * (inner + reach / 2), 0.0), (tail, reach, thick))
        sketch.add(f"tailplane {side}", color, plane, touches=["fuselage"])
    if draw.chance(0.5):
        hub = frustum((length / 2 + radius + 0.06, 0.0, 0.0), 0.12, 0.06, 0.2, 0.0, ALONG_X)
        sketch.add("hub", draw.color(), hub, touches=["fuselage"])
    return sketch
