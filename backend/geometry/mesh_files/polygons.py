# SPDX-License-Identifier: GPL-3.0-or-later
"""Polygons to triangles: convex ones as fans, concave ones by ear clipping (mapbox_earcut)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def triangulated(vertices: Floats, corners: Indices, sizes: Indices) -> tuple[Indices, Indices]:
    """(triangles int64 [T, 3] of indices into `corners`, the polygon of each, int64 [T]), in the polygons' order.

    `corners` [C] are the polygons' vertices one after the other, indices into `vertices` [V, 3], and `sizes` [P] their
    numbers. A polygon of n corners becomes n - 2 triangles; one of fewer than three becomes none.
    """
    starts = np.cumsum(sizes) - sizes
    triangles, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[sizes >= 3]):
        polygons = np.flatnonzero(sizes == size)
        places = starts[polygons, None] + np.arange(size)
        rings = vertices[corners[places]]
        concave = _concave(rings) if size > 3 else np.zeros(len(polygons), bool)
        fan = np.stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1)
        local = np.broadcast_to(fan, (len(polygons), size - 2, 3)).copy()
        for number in np.flatnonzero(concave):
            local[number] = _clipped(rings[number], fan)
        triangles.append((local + starts[polygons, None, None]).reshape(-1, 3))
        owners.append(np.repeat(polygons, size - 2))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(triangles)[order], owner[order]


def _concave(rings: Floats) -> NDArray[np.bool_]:
    """Which polygons [P, n, 3] have a corner that turns against the others', bool [P], or wind more than once."""
    before, after = rings - np.roll(rings, 1, axis=1), np.roll(rings, -1, axis=1) - rings
    turns = np.cross(before, after)
    along = np.einsum("pnc,pc->pn", turns, _normals(rings))
    scale = np.abs(along).max(axis=1, keepdims=True)
    cosine = np.einsum("pnc,pnc->pn", before, after)
    angles = np.arctan2(np.where(np.abs(along) < 1e-12 * scale, 0.0, along), cosine)
    return (along < -1e-9 * scale).any(axis=1) | (angles.sum(axis=1) > 2.5 * np.pi)


def _normals(rings: Floats) -> Floats:
    """Newell's normals [P, 3] of polygons [P, n, 3], of unit length where they have area."""
    centered = rings - rings[:, :1]
    sums = np.cross(centered, np.roll(centered, -1, axis=1)).sum(axis=1)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return sums / np.where(lengths > 0, lengths, 1.0)


def _clipped(ring: Floats, fan: Indices) -> Indices:
    """Triangles [n - 2, 3] of one polygon [n, 3]; `fan` for one that has no area or crosses itself."""
    normal = _normals(ring[None])[0]
    axis = int(np.abs(normal).argmax())
    if normal[axis] == 0:
        return fan
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    flat = np.ascontiguousarray((ring - ring[0])[:, [first, second]])
    found = mapbox_earcut.triangulate_float64(flat, np.array([len(ring)], np.uint32)).astype(np.int64).reshape(-1, 3)
    if not len(found):
        return fan
    whole = _with_all_corners(found, ring)
    if len(whole) != len(fan):
        return fan
    a, b, c = flat[whole].transpose(1, 0, 2)
    turns = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    wrong = turns.sum() * normal[axis] < 0
    return whole[:, ::-1] if wrong else whole


def _with_all_corners(triangles: Indices, ring: Floats) -> Indices:
    """The triangles with the corners that ear clipping left out, since they lie on a line between their neighbors:
    without them a closed mesh would be open there.
    """
    size = len(ring)
    found = [tuple(row) for row in triangles.tolist()]
    kept = sorted(set(triangles.reshape(-1).tolist()))
    for start, after in zip(kept, [*kept[1:], kept[0] + size], strict=True):
        chain = [corner % size for corner in range(start, after + 1)]
        end = chain[-1]
        if len(chain) == 2:
            continue
        owner = next((row for row in found if {start, end} < set(row)), None)
        if owner is None:
            return triangles
        forward = (start, end) in _edges(owner)
        if _bent(ring[chain]):  # only seen from above on a line
            added = [(start, a, b) for a, b in pairwise(chain[1:])]
        else:
            found.remove(owner)
            (tip,) = set(owner) - {start, end}
            added = [(a, b, tip) for a, b in pairwise(chain)]
        found += added if forward else [(b, a, tip) for a, b, tip in added]
    return np.array(found, np.int64)


def _bent(chain: Floats) -> bool:
    """Whether points [N, 3] are not on a line."""
    along = chain[1:] - chain[0]
    return float(np.linalg.norm(np.cross(along, along[-1]), axis=1).max()) > 1e-6 * float((along[-1] ** 2).sum())


def _edges(triangle: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    a, b, c = triangle
    yield from ((a, b), (b, c), (c, a))
