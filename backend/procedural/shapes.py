# SPDX-License-Identifier: GPL-3.0-or-later
"""Primitives, parts and objects as plain numpy data, and the constructors that the families draw with.

Every primitive is a core inflated by ``rounding`` (its Minkowski sum with a ball), so that its distance stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

Vector = Sequence[float] | np.ndarray
Color = tuple[float, float, float]


class Kind(IntEnum):
    """The five analytic solids; ``ShapePrimitive.size`` holds three numbers of the core and then the rounding."""

    BOX = 0
    """Half extents along x, y, z."""
    FRUSTUM = 1
    """Radius at the bottom, radius at the top, half height; axis z. Spheres and capsules are rounded frustums."""
    RING = 2
    """Radius of the middle of the wall, half thickness of the wall, half height; axis z."""
    ARC = 3
    """Radius of the circle in the xy plane, zero, half of the opening angle about +x in radians; tube = rounding."""
    WEDGE = 4
    """Half width of the base along y, half height along z (apex up), half length along x."""


@dataclass(frozen=True)
class ShapePrimitive:
    """One solid: ``rotation`` [3, 3] takes its local axes to the object's, ``center`` [3], ``size`` [4]."""

    kind: Kind
    center: np.ndarray
    rotation: np.ndarray
    size: np.ndarray

    @property
    def axis(self) -> np.ndarray:
        """The local z axis in the object's frame."""
        return self.rotation[:, 2]

    def bounds(self) -> np.ndarray:
        """Return the tight axis-aligned bounds [2, 3]."""
        a, b, c, rounding = self.size
        if self.kind == Kind.BOX:
            points = np.zeros((1, 3))
            extent = np.abs(self.rotation) @ self.size[:3]
        elif self.kind == Kind.ARC:
            angles = np.linspace(-c, c, 65)
            points = a * np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1)
            extent = np.zeros(3)
        elif self.kind == Kind.WEDGE:
            points = np.array([[x, y, z] for x in (-c, c) for y, z in ((-a, -b), (a, -b), (0.0, b))])
            extent = np.zeros(3)
        else:
            discs = (a, b) if self.kind == Kind.FRUSTUM else (a + b, a + b)
            points = np.array([[0.0, 0.0, -c], [0.0, 0.0, c]])
            extent = np.array(discs)[:, None] * np.sqrt(np.clip(1.0 - self.axis**2, 0.0, None))
        placed = points @ self.rotation.T + self.center
        low, high = (placed - extent).min(axis=0), (placed + extent).max(axis=0)
        return np.stack([low - rounding, high + rounding])


@dataclass(frozen=True)
class ShapePart:
    """A named, colored union of primitives, and the names of the parts that it touches."""

    name: str
    color: Color
    primitives: tuple[ShapePrimitive, ...]
    touches: tuple[str, ...] = ()


@dataclass
class Sketch:
    """An object while a family draws it: parts in the order of drawing, the first one goes into volume 0."""

    parts: list[ShapePart] = field(default_factory=list)

    def add(self, name: str, color: Color, *primitives: ShapePrimitive, touches: Sequence[str] = ()) -> None:
        """Append a part that touches the already drawn parts ``touches``."""
        self.parts.append(ShapePart(name, color, primitives, tuple(touches)))

    def bounds(self) -> np.ndarray:
        """Return the axis-aligned bounds [2, 3] of all parts."""
        every = np.stack([primitive.bounds() for part in self.parts for primitive in part.primitives])
        return np.stack([every[:, 0].min(axis=0), every[:, 1].max(axis=0)])


def turn(axis: str, degrees: float) -> np.ndarray:
    """Return the rotation matrix [3, 3] about one of the axes "x", "y", "z"."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


ALONG_X = turn("y", 90.0)
"""Takes the local z axis to +x."""
ALONG_Y = turn("x", -90.0)
"""Takes the local z axis to +y."""


def _primitive(kind: Kind, center: Vector, size: Vector, rotation: np.ndarray | None) -> ShapePrimitive:
    rotation = np.eye(3) if rotation is None else rotation
    return ShapePrimitive(kind, np.asarray(center, dtype=np.float64), rotation, np.asarray(size, dtype=np.float64))


def box(center: Vector, extent: Vector, rounding: float = 0.0, rotation: np.ndarray | None = None) -> ShapePrimitive:
    """Return a box of full ``extent`` along x, y, z, its edges rounded within that extent."""
    half = [side / 2.0 - rounding for side in extent]
    return _primitive(Kind.BOX, center, [*half, rounding], rotation)


def span(low: Vector, high: Vector, rounding: float = 0.0) -> ShapePrimitive:
    """Return the axis-aligned box between two corners."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return box((low + high) / 2.0, high - low, rounding)


def frustum(
    center: Vector, bottom: float, top: float, height: float, rounding: float = 0.0, rotation: np.ndarray | None = None
) -> ShapePrimitive:
    """Return a cone frustum of full ``height`` about z; a rounding takes height and radii inwards first."""
    size = [max(bottom - rounding, 0.0), max(top - rounding, 0.0), height / 2.0 - rounding, rounding]
    return _primitive(Kind.FRUSTUM, center, size, rotation)


def cylinder(
    center: Vector, radius: float, height: float, rounding: float = 0.0, rotation: np.ndarray | None = None
) -> ShapePrimitive:
    """Return a cylinder of full ``height`` about z."""
    return frustum(center, radius, radius, height, rounding, rotation)


def sphere(center: Vector, radius: float) -> ShapePrimitive:
    """Return a ball."""
    return _primitive(Kind.FRUSTUM, center, [0.0, 0.0, 0.0, radius], None)


def capsule(start: Vector, end: Vector, radius: float) -> ShapePrimitive:
    """Return the ball of ``radius`` swept from ``start`` to ``end``."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    size = [0.0, 0.0, length / 2.0, radius]
    return _primitive(Kind.FRUSTUM, (start + end) / 2.0, size, rotation_to(end - start))


def tube(center: Vector, outer: float, wall: float, height: float, rounding: float = 0.0) -> ShapePrimitive:
    """Return an open pipe of outer radius ``outer`` about z."""
    size = [outer - wall / 2.0, wall / 2.0 - rounding, height / 2.0 - rounding, rounding]
    return _primitive(Kind.RING, center, size, None)


def arc(center: Vector, radius: float, thickness: float, degrees: float, rotation: np.ndarray) -> ShapePrimitive:
    """Return a bent rod of full ``thickness``: ``degrees`` of a circle in its local xy plane, its middle at +x."""
    return _primitive(Kind.ARC, center, [radius, 0.0, math.radians(degrees) / 2.0, thickness / 2.0], rotation)


def wedge(center: Vector, extent: Vector, rotation: np.ndarray | None = None) -> ShapePrimitive:
    """Return a gable: ``extent`` is its length along x, base width along y and height along z, the ridge on top."""
    return _primitive(Kind.WEDGE, center, [extent[1] / 2.0, extent[2] / 2.0, extent[0] / 2.0, 0.0], rotation)


def rotation_to(direction: Vector) -> np.ndarray:
    """Return a rotation [3, 3] that takes the z axis to ``direction``."""
    z = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    aside = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = np.cross(aside, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)
