# SPDX-License-Identifier: GPL-3.0-or-later
"""Chairs, tables, beds, bookshelves and lamps."""

from __future__ import annotations

from ..draw import Draw
from ..shapes import ShapePrimitive, Sketch, cylinder, frustum, span

OVERLAP = 0.03
"""How deep touching parts reach into each other."""


def _leg(draw_style: str, x: float, y: float, half: float, low: float, high: float) -> ShapePrimitive:
    if draw_style == "square":
        return span((x - half, y - half, low), (x + half, y + half, high))
    middle = (x, y, (low + high) / 2.0)
    if draw_style == "round":
        return cylinder(middle, half, high - low)
    return frustum(middle, 0.7 * half, 1.2 * half, high - low)


def _four_legs(sketch: Sketch, draw: Draw, x: float, y: float, half: float, high: float, under: str) -> None:
    """Add legs at (+-x, +-y) from the floor to ``high``, each a part of its own."""
    style, color = draw.pick(["square", "round", "tapered"]), draw.color()
    for front, x_sign in (("front", 1), ("rear", -1)):
        for side, y_sign in (("left", 1), ("right", -1)):
            leg = _leg(style, x_sign * x, y_sign * y, half, 0.0, high)
            sketch.add(f"leg {front} {side}", color, leg, touches=[under])


def chair(draw: Draw) -> Sketch:
    """Seat; back as a panel, a frame or slats; four legs."""
    sketch = Sketch()
    width, depth, thickness = draw.between(0.85, 1.15), draw.between(0.85, 1.1), draw.between(0.16, 0.22)
    top = draw.between(0.8, 1.0)
    rounding = draw.pick([0.0, 0.04])
    seat_low, seat_high = (-depth / 2, -width / 2, top - thickness), (depth / 2, width / 2, top)
    sketch.add("seat", draw.color(), span(seat_low, seat_high, rounding))
    rear, front = -depth / 2 + 0.01, -depth / 2 + draw.between(0.13, 0.17)
    half, foot, crown = width / 2 - 0.03, top - 0.02, top + draw.between(0.75, 1.0)
    style = draw.pick(["panel", "frame", "slats"])
    if style == "panel":
        back = [span((rear, -half, foot), (front, half, crown), draw.pick([0.0, 0.04]))]
    else:
        back = [span((rear, side - 0.08, foot), (front, side + 0.08, crown)) for side in (half - 0.08, 0.08 - half)]
        rail = 0.32 if style == "frame" else 0.2
        back.append(span((rear, -half, crown - rail), (front, half, crown)))
        if style == "slats":
            back.append(span((rear, -0.09, foot), (front, 0.09, crown)))
    sketch.add("back", draw.color(), *back, touches=["seat"])
    leg = draw.between(0.07, 0.1)
    _four_legs(sketch, draw, depth / 2 - 1.3 * leg, width / 2 - 1.3 * leg, leg, top - thickness + 0.02, "seat")
    return sketch


def table(draw: Draw) -> Sketch:
    """Rectangular or round top on four legs or on a pedestal."""
    sketch = Sketch()
    height, thickness = draw.between(0.85, 1.25), draw.between(0.12, 0.18)
    under = height - thickness
    if draw.chance(0.5):
        width, depth = draw.between(1.4, 1.9), draw.between(0.9, 1.3)
        sketch.add("top", draw.color(), span((-depth / 2, -width / 2, under), (depth / 2, width / 2, height)))
    else:
        width = depth = draw.between(1.2, 1.8)
        sketch.add("top", draw.color(), cylinder((0.0, 0.0, height - thickness / 2), width / 2, thickness))
        width = depth = 0.75 * width
    if draw.chance(0.6):
        leg = draw.between(0.07, 0.11)
        _four_legs(sketch, draw, depth / 2 - 1.4 * leg, width / 2 - 1.4 * leg, leg, under + OVERLAP, "top")
        return sketch
    column, foot = draw.between(0.1, 0.2), draw.between(0.12, 0.18)
    pole = cylinder((0.0, 0.0, (under + OVERLAP) / 2), column, under + OVERLAP)
    base = cylinder((0.0, 0.0, foot / 2), draw.between(0.4, 0.55), foot)
    sketch.add("pedestal", draw.color(), pole, base, touches=["top"])
    return sketch


def bed(draw: Draw) -> Sketch:
    """Frame, headboard, mattress, one or two pillows, sometimes legs."""
    sketch = Sketch()
    length, width = draw.between(1.7, 1.9), draw.between(1.0, 1.4)
    low = draw.between(0.18, 0.3)
    top = low + draw.between(0.16, 0.24)
    rear = -length / 2
    sketch.add("frame", draw.color(), span((rear, -width / 2, low), (length / 2, width / 2, top)))
    crown = top + draw.between(0.45, 0.75)
    headboard = span((rear - 0.13, -width / 2, low), (rear + OVERLAP, width / 2, crown))
    sketch.add("headboard", draw.color(), headboard, touches=["frame"])
    soft = top + draw.between(0.24, 0.32)
    mattress_low = (rear + 0.18, -width / 2 + 0.05, top - OVERLAP)
    mattress_high = (length / 2 - 0.05, width / 2 - 0.05, soft)
    sketch.add("mattress", draw.color(), span(mattress_low, mattress_high, 0.05), touches=["frame"])
    color, count = draw.color(), draw.pick([1, 2])
    half = (0.5 * width - 0.13) / count - (0.1 if count == 2 else 0.08)
    for number in range(count):
        y = 0.0 if count == 1 else (number - 0.5) * (width / 2 + 0.02)
        pillow = span((rear + 0.25, y - half, soft - OVERLAP), (rear + 0.6, y + half, soft + 0.14), 0.06)
        sketch.add(f"pillow {number + 1}", color, pillow, touches=["mattress"])
    _four_legs(sketch, draw, length / 2 - 0.27, width / 2 - 0.15, draw.between(0.07, 0.1), low + OVERLAP, "frame")
    return sketch


def bookshelf(draw: Draw) -> Sketch:
    """Frame of two sides and boards; blocks of books on the boards."""
    sketch = Sketch()
    width, depth, height = draw.between(0.95, 1.25), draw.between(0.4, 0.55), draw.between(1.6, 1.9)
    board = draw.between(0.1, 0.12)
    floors = draw.pick([2, 3])
    step = (height - board) / floors
    half = width / 2
    frame = [
        span((-depth / 2, -half, 0.0), (depth / 2, -half + board, height)),
        span((-depth / 2, half - board, 0.0), (depth / 2, half, height)),
    ]
    for floor in range(floors + 1):
        low = floor * step
        frame.append(span((-depth / 2, -half, low), (depth / 2, half, low + board)))
    sketch.add("frame", draw.color(), *frame)
    for floor in range(floors):
        count = draw.pick([1, 2])
        room = width - 2 * board - 0.14 * (count + 1)
        for number in range(count):
            low_y = -half + board + 0.14 * (number + 1) + number * room / count
            broad = room / count * draw.between(0.6, 1.0)
            low = floor * step + board - OVERLAP
            high = low + (step - board - 0.12) * draw.between(0.65, 1.0)
            block = span((-depth / 2 + 0.03, low_y, low), (depth / 2 - 0.03, low_y + broad, high))
            sketch.add(f"books {floor + 1}.{number + 1}", draw.color(), block, touches=["frame"])
    return sketch


def lamp(draw: Draw) -> Sketch:
    """Base disc, pole or vase, shade."""
    sketch = Sketch()
    foot = draw.between(0.12, 0.2)
    sketch.add("base", draw.color(), cylinder((0.0, 0.0, foot / 2), draw.between(0.35, 0.55), foot))
    bottom, top = foot - OVERLAP, foot + draw.between(0.8, 1.1)
    middle, height = (0.0, 0.0, (bottom + top) / 2), top - bottom
    if draw.chance(0.6):
        stem = cylinder(middle, draw.between(0.06, 0.1), height)
    else:
        stem = frustum(middle, draw.between(0.2, 0.3), draw.between(0.1, 0.14), height)
    sketch.add("stem", draw.color(), stem, touches=["base"])
    rise = draw.between(0.45, 0.65)
    narrow = draw.between(0.22, 0.4)
    shade = frustum((0.0, 0.0, top - 0.05 + rise / 2), narrow + draw.between(0.1, 0.3), narrow, rise)
    sketch.add("shade", draw.color(), shade, touches=["stem"])
    return sketch
