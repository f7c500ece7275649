# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed polygon meshes as artists begin with them: lofts, lathes, extrusions, tori, spheres. z is up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract import MeshData

FloatArray = NDArray[np.float64]
PolygonArray = NDArray[np.int64]

SAME_PLACE = 1e-5
"""Coordinates nearer than this count as equal where a polygon's first corner is chosen."""
COLLINEAR = 1e-9
"""Twice the area below which three points of an outline lie on one line."""


@dataclass(frozen=True)
class PolygonMesh:
    """A closed surface: ``vertices`` float64 [V, 3] and convex polygons int [P, n], one array per number of corners.

    Polygons wind counter-clockwise seen from outside.
    """

    vertices: FloatArray
    polygons: tuple[PolygonArray, ...]

    def moved(self, offset: Sequence[float]) -> PolygonMesh:
        return PolygonMesh(self.vertices + np.asarray(offset, float), self.polygons)

    def scaled(self, factors: Sequence[float] | float) -> PolygonMesh:
        """Scale by positive factors."""
        return PolygonMesh(self.vertices * np.asarray(factors, float), self.polygons)

    def rotated(self, axis: int, angle: float) -> PolygonMesh:
        """Rotate about a coordinate axis, counter-clockwise seen from its tip, in radians."""
        return PolygonMesh(self.vertices @ axis_rotation(axis, angle).T, self.polygons)


def axis_rotation(axis: int, angle: float) -> FloatArray:
    """The matrix [3, 3] of a rotation about a coordinate axis."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[second, first] = math.sin(angle)
    matrix[first, second] = -math.sin(angle)
    return matrix


def triangulated(parts: Sequence[PolygonMesh]) -> MeshData:
    """All parts as one triangle mesh, nothing merged.

    Every polygon becomes a fan around its lowest corner (by z, then y, then x): what is a flat polygon on the surface
    has one triangulation that follows from its shape alone.
    """
    vertices, faces, start = [], [], 0
    for part in parts:
        rank = np.empty(len(part.vertices), np.int64)
        rank[np.lexsort(np.round(part.vertices / SAME_PLACE).T)] = np.arange(len(rank))
        for polygons in part.polygons:
            count = polygons.shape[1]
            turn = (rank[polygons].argmin(axis=1)[:, None] + np.arange(count)) % count
            turned = np.take_along_axis(polygons, turn, axis=1) + start
            for corner in range(1, count - 1):
                faces.append(turned[:, [0, corner, corner + 1]])
        vertices.append(part.vertices)
        start += len(part.vertices)
    return MeshData(np.concatenate(vertices), np.concatenate(faces))


def loft(rings: FloatArray, bottom: float | None = None, top: float | None = None) -> PolygonMesh:
    """Skin rings float [K, n, 3] that wind counter-clockwise seen from above and follow each other upward.

    The ends are flat polygons, or pyramids to a point at height ``bottom`` or ``top`` over the ring's middle.
    """
    levels, sides, _ = rings.shape
    index = np.arange(levels * sides).reshape(levels, sides)
    following = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], following[:-1], following[1:], index[1:]], axis=-1).reshape(-1, 4)
    vertices, groups = [rings.reshape(-1, 3)], [quads]
    # Seen from outside, the lowest ring winds the other way round.
    for height, cap, begin, end in (
        (bottom, index[0, ::-1], following[0], index[0]), (top, index[-1], index[-1], following[-1])
    ):
        if height is None:
            groups.append(cap[None])
        else:
            apex = sum(len(piece) for piece in vertices)
            x, y = vertices[0][cap, :2].mean(axis=0)
            vertices.append(np.array([[x, y, height]]))
            groups.append(np.stack([begin, end, np.full(sides, apex)], axis=1))
    return PolygonMesh(np.concatenate(vertices), tuple(group for group in groups if len(group)))


def circle(sides: int, turn: float = 0.0) -> FloatArray:
    """Corners [n, 2] of a regular polygon of radius 1."""
    angles = turn + 2.0 * math.pi * np.arange(sides) / sides
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def lathe(profile: Sequence[tuple[float, float]], sides: int, turn: float = 0.0) -> PolygonMesh:
    """Turn a profile of (radius, height) pairs, upward, about z; a radius of zero at either end is a point."""
    bottom, top = (profile[end][1] if profile[end][0] == 0 else None for end in (0, -1))
    inner = np.array(profile[bottom is not None : len(profile) - (top is not None)], float)
    rings = np.empty((len(inner), sides, 3))
    rings[..., :2] = inner[:, None, :1] * circle(sides, turn)
    rings[..., 2] = inner[:, 1:]
    return loft(rings, bottom, top)


def box(size: Sequence[float], center: Sequence[float] = (0.0, 0.0, 0.0)) -> PolygonMesh:
    """A box with six quads, given its whole sides."""
    x, y, z = (0.5 * side for side in size)
    ring = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    return prism(ring, -z, z).moved(center)


def prism(outline: FloatArray, low: float, high: float, taper: float = 1.0) -> PolygonMesh:
    """Raise a convex outline [n, 2], counter-clockwise; the upper end is scaled by ``taper``."""
    rings = np.empty((2, len(outline), 3))
    rings[0, :, :2], rings[1, :, :2] = outline, taper * outline
    rings[0, :, 2], rings[1, :, 2] = low, high
    return loft(rings)


def bevelled_box(size: Sequence[float], bevel: float) -> PolygonMesh:
    """A box with all edges cut off by ``bevel``: rings of eight corners."""
    x, y, z = (0.5 * side for side in size)

    def ring(half_x: float, half_y: float, height: float) -> FloatArray:
        near_x, near_y = half_x - bevel, half_y - bevel
        corners = [(-near_x, -half_y), (near_x, -half_y), (half_x, -near_y), (half_x, near_y),
                   (near_x, half_y), (-near_x, half_y), (-half_x, near_y), (-half_x, -near_y)]
        return np.array([(*corner, height) for corner in corners])

    inset = 0.5 * bevel
    return loft(np.stack([
        ring(x - inset, y - inset, -z), ring(x, y, -z + bevel), ring(x, y, z - bevel), ring(x - inset, y - inset, z),
    ]))


def extrusion(outline: FloatArray, thickness: float) -> PolygonMesh:
    """Raise a simple outline [n, 2], counter-clockwise and concave where it likes, by ``thickness`` around z = 0."""
    count = len(outline)
    caps = np.array(ears(outline))
    vertices = np.zeros((2 * count, 3))
    vertices[:, :2] = np.concatenate([outline, outline])
    vertices[:count, 2], vertices[count:, 2] = -0.5 * thickness, 0.5 * thickness
    here = np.arange(count)
    after = np.roll(here, -1)
    sides = np.stack([here, after, after + count, here + count], axis=1)
    return PolygonMesh(vertices, (sides, caps[:, ::-1], caps + count))


def ears(outline: FloatArray) -> list[tuple[int, int, int]]:
    """Triangles that fill a simple outline [n, 2], counter-clockwise: the ear with the shortest cut goes first."""
    points = [(float(x), float(y)) for x, y in outline]
    left = list(range(len(points)))
    triangles = []
    while len(left) > 3:
        best, cut = None, math.inf
        for place in range(len(left)):
            a, b, c = left[place - 1], left[place], left[(place + 1) % len(left)]
            length = math.dist(points[a], points[c])
            if length < cut and _is_ear(points, left, a, b, c):
                best, cut = place, length
        if best is None:
            raise ValueError("the outline crosses itself")
        triangles.append((left[best - 1], left[best], left[(best + 1) % len(left)]))
        del left[best]
    return [*triangles, (left[0], left[1], left[2])]


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_ear(points: list[tuple[float, float]], left: list[int], a: int, b: int, c: int) -> bool:
    corner = points[a], points[b], points[c]
    if _cross(*corner) <= COLLINEAR:
        return False
    return not any(
        other not in (a, b, c)
        and _cross(corner[0], corner[1], points[other]) >= -COLLINEAR
        and _cross(corner[1], corner[2], points[other]) >= -COLLINEAR
        and _cross(corner[2], corner[0], points[other]) >= -COLLINEAR
        for other in left
    )


def torus(radius: float, tube: float, around: int, across: int) -> PolygonMesh:
    """A ring about z with ``around`` times ``across`` quads."""
    angles = 2.0 * math.pi * np.arange(around) / around
    section = circle(across)
    distance = radius + tube * section[:, 0]
    vertices = np.empty((around, across, 3))
    vertices[..., 0] = np.cos(angles)[:, None] * distance
    vertices[..., 1] = np.sin(angles)[:, None] * distance
    vertices[..., 2] = tube * section[:, 1]
    index = np.arange(around * across).reshape(around, across)
    onward, outward = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    quads = np.stack([index, onward, np.roll(onward, -1, axis=1), outward], axis=-1).reshape(-1, 4)
    return PolygonMesh(vertices.reshape(-1, 3), (quads,))


def tube(path: FloatArray, radius: float, sides: int) -> PolygonMesh:
    """A pipe along a path [K, 3] in the xz plane that bends by less than half a turn."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.stack([ahead[:, 2], np.zeros(len(path)), -ahead[:, 0]], axis=1)
    section = radius * circle(sides)
    rings = path[:, None] + section[None, :, :1] * across[:, None] + section[None, :, 1:] * np.array([0.0, 1.0, 0.0])
    return loft(rings)


def icosphere(subdivided: bool) -> PolygonMesh:
    """A ball of radius 1 with 20 or 80 faces, a corner at the top."""
    upper, lower = circle(5), circle(5, math.pi / 5)
    height, radius = 1.0 / math.sqrt(5.0), 2.0 / math.sqrt(5.0)
    belt = np.concatenate([
        np.column_stack([radius * lower, np.full(5, -height)]), np.column_stack([radius * upper, np.full(5, height)]),
    ])
    vertices = np.concatenate([belt, [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]])
    low, high = np.arange(5), 5 + np.arange(5)
    low_next, high_next = np.roll(low, -1), np.roll(high, -1)
    faces = np.concatenate([
        np.stack([low_next, low, np.full(5, 10)], axis=1), np.stack([high, high_next, np.full(5, 11)], axis=1),
        np.stack([low, high_next, high], axis=1), np.stack([low, low_next, high_next], axis=1),
    ])
    return _halved_edges(vertices, faces) if subdivided else PolygonMesh(vertices, (faces,))


def _halved_edges(vertices: FloatArray, faces: PolygonArray) -> PolygonMesh:
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middles = vertices[unique].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(vertices) + inverse.reshape(-1, 3)).T
    a, b, c = faces.T
    pieces = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return PolygonMesh(
        np.concatenate([vertices, middles]), (np.concatenate([np.stack(piece, axis=1) for piece in pieces]),)
    )
