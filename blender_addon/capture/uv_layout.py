# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a UV layout can carry a texture of its own: every face somewhere, inside the tile, no two in one place."""

from dataclasses import dataclass

import numpy as np

RASTER = 1024
"""Texels a side on which overlap is counted. Islands closer than one texel do not count as overlapping."""
SMALLEST_AREA = 1e-12
MOST_OUTSIDE, MOST_OVERLAPPING, MOST_DEGENERATE = 0.001, 0.01, 0.02
_CHUNK = 2_000_000
"""Rows of triangles looked at together: a few hundred megabytes at the most."""


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
    """How many triangles `corners` [F, 3, 2], in texels, hold each texel's center, strictly inside: int [RASTER²].

    Row by row, a triangle covers the texels from one to another: what is added at the first and taken away behind the
    last sums up to the count.
    """
    low = np.clip(np.ceil(corners[:, :, 1].min(axis=1) - 0.5), 0, RASTER).astype(np.int64)
    high = np.clip(np.floor(corners[:, :, 1].max(axis=1) - 0.5) + 1, 0, RASTER).astype(np.int64)
    rows = np.maximum(high - low, 0)
    changes = np.zeros(RASTER * (RASTER + 1), np.int64)
    for chosen in _chunks(rows):
        first, last = _spans(corners[chosen], low[chosen], rows[chosen])
        changes += np.bincount(first, minlength=len(changes)) - np.bincount(last, minlength=len(changes))
    counts: np.ndarray = changes.reshape(RASTER, RASTER + 1).cumsum(axis=1)[:, :RASTER].ravel()
    return counts


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    """Indices of the triangles that reach any row's center, in groups of about `_CHUNK` rows."""
    filled = np.flatnonzero(rows)
    groups = np.cumsum(rows[filled]) // _CHUNK
    return np.split(filled, np.flatnonzero(np.diff(groups)) + 1)


def _spans(corners: np.ndarray, low: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of each triangle the first texel inside and the first one behind, in rows of RASTER + 1."""
    face = np.repeat(np.arange(len(rows)), rows)
    row = low[face] + np.arange(len(face)) - np.repeat(np.cumsum(rows) - rows, rows)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    turned = np.where(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0, -1.0, 1.0)
    begin, end = np.full(len(face), 0.0), np.full(len(face), float(RASTER))
    for number in range(3):
        start = corners[:, number]
        along = (corners[:, (number + 1) % 3] - start) * turned[:, None]  # the inside lies to its left
        rise, run = along[face, 1], along[face, 0]
        height = row + 0.5 - start[face, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = start[face, 0] + run * height / rise
        begin = np.where(rise < 0, np.maximum(begin, crossing), begin)
        end = np.where(rise > 0, np.minimum(end, crossing), end)
        end = np.where((rise == 0) & (run * height <= 0), begin, end)
    left = np.clip(np.floor(begin - 0.5) + 1, 0, RASTER).astype(np.int64)
    right = np.clip(np.ceil(end - 0.5), 0, RASTER).astype(np.int64)
    kept = right > left
    return (row * (RASTER + 1) + left)[kept], (row * (RASTER + 1) + right)[kept]
