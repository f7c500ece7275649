# SPDX-License-Identifier: GPL-3.0-or-later
"""How far two triangle meshes are apart: exact closest points from samples that lie densely on both surfaces.

The samples are not drawn but laid out, so that the same meshes always give the same metrics. All runs on the CPU: two
million faces take a few seconds there, and the GPU may be full.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from ..contract import MeshData
from ..contract.reports import ignore
from .cleaning import remove_zero_area_faces
from .normalization import Normalization

wp.config.log_level = wp.LOG_WARNING  # its greeting and compiling are no part of a command's output

SAMPLES = 200_000
"""Points on the faces of each surface. All of its vertices come on top, and points along the edges of slivers."""
EDGE_SAMPLES = 4
"""At most this many times as many points lie along edges."""
SLIVER = 6.0
"""Faces of less height than this many spacings may miss the points on faces; their edges get points of their own."""
STEPS = np.array([0.7548776662466927, 0.5698402909980532])
"""The two-dimensional golden ratio and its square: multiples of it, modulo 1, fill the unit square evenly."""
COVERING = 2.5
"""No point of a surface lies farther than about this many spacings from a sample, as measured."""
SECONDS_OF_BLOCK = 0.4
"""Between two looks for a cancel. Among millions of faces most points take microseconds, milliseconds where all faces
are about as near as one another."""
SMALLEST_BLOCK, LARGEST_BLOCK = 200, 6_400
FARTHEST = 1e6
"""Closest points are looked for within this many diagonals."""


@dataclass(frozen=True)
class Deviation:
    """Distances between an original and another surface, in units of the original's bounding-box diagonal."""

    mean_to_other: float
    """From the points of the original's faces, evenly by area, to the other surface."""
    mean_to_original: float
    largest_to_other: float
    """From all samples of the original: points of faces and edges, and every vertex."""
    largest_to_original: float
    mean_error: float
    """Standard error of ``mean``, as if the samples had been drawn at random; laid out they do better."""
    largest_error: float
    """``hausdorff`` is never too large, and too small by about this at the most: distances change no faster than
    positions, and nothing lies farther from a sample. Where distances change smoothly it errs far less."""

    @property
    def mean(self) -> float:
        """Symmetric mean distance: the average of both directions."""
        return (self.mean_to_other + self.mean_to_original) / 2

    @property
    def hausdorff(self) -> float:
        """Symmetric Hausdorff distance: the larger of both directions."""
        return max(self.largest_to_other, self.largest_to_original)


def deviations(
    original: MeshData,
    others: Sequence[MeshData],
    samples: int = SAMPLES,
    check: Callable[[], None] = ignore,
) -> list[Deviation]:
    """Return how far each of the others is from the original; all are in the same frame.

    Only faces with area count as surface, also for the diagonal. ``check`` is called now and then, and may raise to
    give up. Raises ValueError for a mesh that has no area.
    """
    original = _surface_of(original)
    frame = Normalization(original.bounds.astype(np.float64).mean(axis=0), 1.0 / original.diagonal)
    first = _Samples(original, frame, samples)
    return [_between(first, _Samples(_surface_of(other), frame, samples), check) for other in others]


def _surface_of(mesh: MeshData) -> MeshData:
    mesh = remove_zero_area_faces(mesh)
    if mesh.is_empty:
        raise ValueError("a mesh without area is no surface to measure")
    return mesh


def _between(original: _Samples, other: _Samples, check: Callable[[], None]) -> Deviation:
    there, back = other.distances(original.points, check), original.distances(other.points, check)
    mean_there, mean_back = there[: original.samples], back[: other.samples]
    variance = mean_there.var() / original.samples + mean_back.var() / other.samples
    return Deviation(
        mean_to_other=float(mean_there.mean()),
        mean_to_original=float(mean_back.mean()),
        largest_to_other=float(there.max()),
        largest_to_original=float(back.max()),
        mean_error=float(np.sqrt(variance)) / 2,
        largest_error=COVERING * max(original.spacing, other.spacing),
    )


class _Samples:
    """A mesh in the frame of the original with its tree, and its samples, those of the faces first."""

    def __init__(self, mesh: MeshData, frame: Normalization, samples: int):
        placed = MeshData(frame.apply(mesh.vertices).astype(np.float32), mesh.faces)
        self.samples = samples
        faces, spacing = face_points(placed, samples)
        edges, self.spacing = sliver_points(placed, spacing, EDGE_SAMPLES * samples)
        self.points = np.concatenate([faces, edges, placed.vertices])
        self.tree = wp.Mesh(
            points=wp.array(placed.vertices, dtype=wp.vec3, device="cpu"),
            indices=wp.array(placed.faces.ravel(), dtype=wp.int32, device="cpu"),
        )

    def distances(self, points: NDArray[np.float32], check: Callable[[], None]) -> NDArray[np.float64]:
        """Distances float64 [N] of points [N, 3] to this surface."""
        closest = np.empty_like(points)
        start, size = 0, SMALLEST_BLOCK
        while start < len(points):
            check()
            begin = time.perf_counter()
            block = wp.array(points[start : start + size], dtype=wp.vec3, device="cpu")
            found = wp.zeros_like(block)
            wp.launch(closest_points, dim=len(block), inputs=[self.tree.id, block, FARTHEST, found], device="cpu")
            closest[start : start + size] = found.numpy()
            start += size
            slow = time.perf_counter() - begin > SECONDS_OF_BLOCK / 2
            size = max(size // 2, SMALLEST_BLOCK) if slow else min(2 * size, LARGEST_BLOCK)
        return np.linalg.norm(points.astype(np.float64) - closest, axis=1)


@wp.kernel
def closest_points(
    mesh: wp.uint64, points: wp.array(dtype=wp.vec3), farthest: float, closest: wp.array(dtype=wp.vec3)
) -> None:
    """The mesh's closest point to each of the points."""
    number = wp.tid()
    found = wp.mesh_query_point_no_sign(mesh, points[number], farthest)
    closest[number] = wp.mesh_eval_position(mesh, found.face, found.u, found.v)


def face_points(mesh: MeshData, count: int) -> tuple[NDArray[np.float32], float]:
    """Lay ``count`` points [count, 3] evenly by area over the faces; also their spacing, in the unit of positions."""
    areas = np.linalg.norm(mesh.area_vectors(), axis=1)
    total = float(areas.sum())
    places = (np.arange(count) + 0.5) * (total / count)
    face = np.minimum(np.searchsorted(np.cumsum(areas), places, side="right"), len(areas) - 1)
    u, w = ((0.5 + np.arange(1, count + 1)[:, None] * STEPS) % 1.0).T
    folded = u + w > 1
    u, w = np.where(folded, 1 - u, u)[:, None], np.where(folded, 1 - w, w)[:, None]
    a, b, c = mesh.vertices[mesh.faces[face]].astype(np.float64).transpose(1, 0, 2)
    return (a + u * (b - a) + w * (c - a)).astype(np.float32), float(np.sqrt(total / count))


def sliver_points(mesh: MeshData, spacing: float, most: int) -> tuple[NDArray[np.float32], float]:
    """Lay points [N, 3] along the long edges of slivers, ``spacing`` apart, or farther where they would be too many.

    A sliver is long, but has hardly any area to get points by. Also returns the spacing that was kept to.
    """
    x, y, z = np.ascontiguousarray(mesh.vertices.T, np.float64)
    starts, ends = mesh.faces, mesh.faces[:, [1, 2, 0]]
    lengths = np.sqrt((x[ends] - x[starts]) ** 2 + (y[ends] - y[starts]) ** 2 + (z[ends] - z[starts]) ** 2)
    heights = 2 * np.linalg.norm(mesh.area_vectors(), axis=1) / lengths.max(axis=1)
    long = (lengths > spacing) & (heights < SLIVER * spacing)[:, None]
    starts, ends, lengths = starts[long], ends[long], lengths[long]
    spacing = max(spacing, float(lengths.sum()) / most)
    counts = np.ceil(lengths / spacing).astype(np.int64) - 1
    edge = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    along = (number / (counts[edge] + 1))[:, None]
    from_, to = mesh.vertices[starts[edge]], mesh.vertices[ends[edge]]
    return (from_ + along * (to - from_)).astype(np.float32), spacing
