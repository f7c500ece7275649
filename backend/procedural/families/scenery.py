# SPDX-License-Identifier: GPL-3.0-or-later
"""Houses, trees, mushrooms and cactuses."""

from __future__ import annotations

from ..draw import Draw
from ..shapes import Sketch, capsule, frustum, span, sphere, turn, wedge
from .furniture import OVERLAP


def house(draw: Draw) -> Sketch:
    """Walls, gabled roof either way round, door, sometimes a chimney."""
    sketch = Sketch()
    depth, width, height = draw.between(1.0, 1.3), draw.between(1.1, 1.5), draw.between(0.7, 0.9)
    front = depth / 2
    sketch.add("walls", draw.color(), span((-front, -width / 2, 0.0), (front, width / 2, height)))
    rise, eaves = draw.between(0.5, 0.7), draw.between(0.06, 0.14)
    center = (0.0, 0.0, height - OVERLAP + rise / 2)
    gable_in_front = draw.chance(0.5)
    if gable_in_front:
        roof = wedge(center, (depth + 2 * eaves, width + 2 * eaves, rise))
    else:
        roof = wedge(center, (width + 2 * eaves, depth + 2 * eaves, rise), turn("z", 90.0))
    sketch.add("roof", draw.color(), roof, touches=["walls"])
    y, half, tall = draw.between(-0.2, 0.2), draw.between(0.13, 0.18), draw.between(0.42, 0.52)
    door = span((front - 0.07, y - half, 0.0), (front + 0.06, y + half, tall))
    sketch.add("door", draw.color(), door, touches=["walls"])
    if draw.chance(0.5):
        side = draw.pick([1.0, -1.0])
        x, y = (0.2 * depth * side, 0.0) if gable_in_front else (0.0, 0.2 * width * side)
        low, high = height + 0.2, height + rise + draw.between(0.15, 0.25)
        chimney = span((x - 0.12, y - 0.12, low), (x + 0.12, y + 0.12, high))
        sketch.add("chimney", draw.color(), chimney, touches=["roof"])
    return sketch


def tree(draw: Draw) -> Sketch:
    """Trunk under a stack of cones or under a round crown."""
    sketch = Sketch()
    trunk, top = draw.between(0.11, 0.18), draw.between(0.5, 0.75)
    stem = frustum((0.0, 0.0, top / 2), 1.25 * trunk, trunk, top)
    sketch.add("trunk", draw.tint(0.08, 0.6, 0.45), stem)
    green = draw.between(0.24, 0.42)
    if draw.chance(0.5):
        radius, low, below = draw.between(0.55, 0.68), top - 0.04, "trunk"
        for number in range(draw.pick([2, 3])):
            rise = draw.between(0.38, 0.46)
            cone = frustum((0.0, 0.0, low + rise / 2), radius, 0.45 * radius, rise)
            color = draw.tint(green + 0.08 * (number % 2), 0.65, 0.55)
            sketch.add(f"tier {number + 1}", color, cone, touches=[below])
            radius, low, below = 0.78 * radius, low + rise - OVERLAP, f"tier {number + 1}"
        return sketch
    radius = draw.between(0.42, 0.52)
    crown = [sphere((0.0, 0.0, top + radius - 0.07), radius)]
    for side in (1.0, -1.0) if draw.chance(0.6) else ():
        aside = draw.between(0.3, 0.42)
        crown.append(sphere((0.0, side * aside, top + radius * draw.between(0.8, 1.1)), 0.72 * radius))
    sketch.add("crown", draw.tint(green, 0.65, 0.6), *crown, touches=["trunk"])
    return sketch


def mushroom(draw: Draw) -> Sketch:
    """Stem, rounded cap, sometimes a knob on it."""
    sketch = Sketch()
    top = draw.between(0.75, 1.1)
    stem = frustum((0.0, 0.0, top / 2), draw.between(0.24, 0.36), draw.between(0.16, 0.24), top)
    sketch.add("stem", draw.tint(0.1, 0.2, 0.9), stem)
    radius, rise = draw.between(0.6, 0.85), draw.between(0.45, 0.65)
    cap = frustum((0.0, 0.0, top - 0.05 + rise / 2), radius, 0.4 * radius, rise, 0.15)
    sketch.add("cap", draw.color(), cap, touches=["stem"])
    if draw.chance(0.4):
        knob = sphere((0.0, 0.0, top - 0.05 + rise), draw.between(0.12, 0.18))
        sketch.add("knob", draw.color(), knob, touches=["cap"])
    return sketch


def cactus(draw: Draw) -> Sketch:
    """Pot, trunk, one or two bent arms."""
    sketch = Sketch()
    pot, radius = draw.between(0.4, 0.5), draw.between(0.19, 0.25)
    high = pot + draw.between(0.9, 1.2)
    green = draw.tint(0.36, 0.6, 0.5)
    sketch.add("trunk", green, capsule((0.0, 0.0, pot + radius - 0.06), (0.0, 0.0, high), radius))
    wide = draw.between(0.38, 0.5)
    sketch.add(
        "pot", draw.tint(0.05, 0.6, 0.7), frustum((0.0, 0.0, pot / 2), 0.75 * wide, wide, pot), touches=["trunk"]
    )
    color = draw.tint(0.27, 0.6, 0.65)
    count = draw.pick([1, 2])
    first = draw.pick([1.0, -1.0])
    for number in range(count):
        sign = first if number == 0 else -first
        thick = draw.between(0.09, 0.13)
        z = pot + draw.between(0.38, 0.55)
        elbow = sign * (radius + 0.1 + thick + draw.between(0.05, 0.12))
        start = sign * (radius + thick - 0.05)
        tip = z + draw.between(0.25, 0.42)
        arm = [capsule((0.0, start, z), (0.0, elbow, z), thick), capsule((0.0, elbow, z), (0.0, elbow, tip), thick)]
        sketch.add(f"arm {number + 1}", color, *arm, touches=["trunk"])
    return sketch
