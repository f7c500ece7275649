# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a UV layout can carry a texture of its own: every face somewhere, inside the tile, no two in one place."""

from dataclasses import dataclass

import numpy as np

RASTER = 1024
"""Texels a side on which overlap is counted. Islands closer than one texel do not count as overlapping."""
SMALLEST_AREA = 1e-12
MOST_OUTSIDE, MOST_OVERLAPPING, MOST_DEGENERATE = 0.001, 0.01, 0.02
_CHUNK = 4_000_000
"""Texels looked at together: a few hundred megabytes at the most."""


@dataclass(frozen=True)
class UVLayout:
    """Shares in [0, 1]: faces that reach outside the unit tile, covered texels that several faces share, faces
    without area."""

    outside: float
    overlapping: float
    degenerate: float

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, in words; empty when a texture can be painted on this layout."""
        found = []
        if self.degenerate > MOST_DEGENERATE:
            found.append(f"{self.degenerate:.0%} of the faces have no area in the UV map")
        if self.outside > MOST_OUTSIDE:
            found.append(f"{self.outside:.1%} of the faces reach outside the UV square")
        if self.overlapping > MOST_OVERLAPPING:
            found.append(f"{self.overlapping:.0%} of the used UV area is shared by several faces")
        return tuple(found)


def uv_layout(uvs: np.ndarray) -> UVLayout:
    """Look over uvs float [F, 3, 2] of triangles; F is at least 1. Values that are not numbers count as no area."""
    uvs = _finite(uvs)
    first, second = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    degenerate = area < SMALLEST_AREA
    outside = ((uvs < -1e-6) | (uvs > 1 + 1e-6)).any(axis=(1, 2))
    counts = _faces_per_texel(uvs[~degenerate & ~outside] * RASTER)
    covered = np.count_nonzero(counts)
    overlapping = np.count_nonzero(counts > 1) / covered if covered else 0.0
    return UVLayout(float(outside.mean()), float(overlapping), float(degenerate.mean()))


def shared_area(uvs: np.ndarray, others: np.ndarray) -> float:
    """The share of the texels covered by triangles `uvs` [F, 3, 2] that `others` [G, 3, 2] cover, too."""
    covered, used = (_faces_per_texel(_finite(corners) * RASTER) > 0 for corners in (uvs, others))
    return float(np.count_nonzero(covered & used) / max(np.count_nonzero(covered), 1))


def _finite(uvs: np.ndarray) -> np.ndarray:
    """Triangles whose corners are not all numbers become points."""
    usable = np.isfinite(uvs).all(axis=(1, 2))
    numbers: np.ndarray = np.where(usable[:, None, None], uvs, 0.0).astype(np.float64)
    return numbers


def _faces_per_texel(corners: np.ndarray) -> np.ndarray:
    """How many triangles `corners` [F, 3, 2], in texels, hold each texel's centre, strictly inside: int [RASTER²]."""
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, RASTER).astype(np.int64)
    high = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, RASTER).astype(np.int64)
    size = np.maximum(high - low, 0)
    boxes = size.prod(axis=1)
    counts = np.zeros(RASTER * RASTER, np.int64)
    for chosen in _chunks(boxes):
        counts += _count(corners[chosen], low[chosen], size[chosen], boxes[chosen])
    return counts


def _chunks(boxes: np.ndarray) -> list[np.ndarray]:
    """Indices of the triangles with texels in their boxes, in groups of about `_CHUNK` texels."""
    filled = np.flatnonzero(boxes)
    groups = np.cumsum(boxes[filled]) // _CHUNK
    return np.split(filled, np.flatnonzero(np.diff(groups)) + 1)


def _count(corners: np.ndarray, low: np.ndarray, size: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The same for one group, every triangle against all texels of its box."""
    face = np.repeat(np.arange(len(boxes)), boxes)
    within = np.arange(len(face)) - np.repeat(np.cumsum(boxes) - boxes, boxes)
    column, row = low[face, 0] + within % size[face, 0], low[face, 1] + within // size[face, 0]
    point = np.stack([column + 0.5, row + 0.5], axis=1)
    a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
    edges = np.stack([_cross(b - a, point - a), _cross(c - b, point - b), _cross(a - c, point - c)])
    inside = (edges > 0).all(axis=0) | (edges < 0).all(axis=0)
    return np.bincount(row[inside] * RASTER + column[inside], minlength=RASTER * RASTER)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    result: np.ndarray = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return result
