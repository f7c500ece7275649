# SPDX-License-Identifier: GPL-3.0-or-later
"""A field that a network gives for points, sampled coarse to fine on a grid, and the surface in it."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ...contract import MeshData, MeshwrightError, Remedy
from ...contract.reports import CountReport, ignore
from ...geometry.coarse_to_fine import FieldNotFiniteError, FieldQuery, evaluate_field
from ...geometry.isosurface import extract_isosurface
from .finiteness import not_finite
from .pacing import Pace

logger = logging.getLogger(__name__)

POINTS_PER_QUERY = {"cuda": 40960, "mps": 16384, "cpu": 8192}
"""Points of a query by device; any number gives the same values. On a GPU smaller ones wait for Python, and larger ones
would need more memory than the sampler."""
FEWEST_POINTS = 1024
"""Of a query on a device that is short of memory."""
TICKS = 100
"""Progress is reported in hundredths, since the number of points is an estimate at first."""


class NoSurfaceError(MeshwrightError):
    """The field has no surface."""


def no_surface(why: str, what: str = "No object was found.") -> NoSurfaceError:
    """The error about a field that never changes its sign; `why` says which."""
    return NoSurfaceError(what, why, "Try another seed, more steps, or an image with one clear object.", Remedy.RETRY)


class QueryInChunks:
    """A field query that takes any number of points, and smaller chunks where the memory ends.

    On a CUDA device the last chunk is filled up: cuDNN and compiled code plan again for every new length.
    """

    def __init__(self, query: FieldQuery, chunk: int) -> None:
        self.query, self.chunk = query, chunk

    def __call__(self, points: Tensor) -> Tensor:
        """Values `[P]` of points `[P, 3]`."""
        results, start = [], 0
        while start < len(points):
            piece = points[start : start + self.chunk]
            try:
                results.append(self._full(piece))
            except torch.OutOfMemoryError:
                if self.chunk <= FEWEST_POINTS:
                    raise
                self.chunk = max(self.chunk // 2, FEWEST_POINTS)
                logger.warning("The memory ends: going on with %d points at a time", self.chunk)
                torch.cuda.empty_cache()
                continue
            start += len(piece)
        return torch.cat(results) if len(results) != 1 else results[0]

    def _full(self, points: Tensor) -> Tensor:
        missing = self.chunk - len(points) if points.is_cuda else 0
        return self.query(functional.pad(points, (0, 0, 0, missing)))[: len(points)]


def points_per_query(device: torch.device, wanted: int | None = None) -> int:
    """The wanted number, or what suits the device."""
    return wanted or POINTS_PER_QUERY.get(device.type, POINTS_PER_QUERY["cpu"])


def sample_field(
    query: FieldQuery,
    resolution: int,
    *,
    device: torch.device,
    chunk: int | None = None,
    half_side: float = 1.0,
    dense: bool = False,
    holder: str = "The field",
    given: str = "image",
    report: CountReport = ignore,
) -> Tensor:
    """The field at the `resolution + 1` points per axis of the cube [-half_side, half_side]^3, indexed [x, y, z].

    What lies far from the surface is filled by sign and not evaluated, unless `dense`.

    Args:
        query: gives values `[P]`, positive inside, of points float32 `[P, 3]`.
        resolution: cells per axis R; point i of an axis lies at `half_side * (2 i / R - 1)`.
        device: where points and grid lie.
        chunk: points of a query; by default what suits the device. Where the memory ends it is halved.
        half_side: half the side of the cube.
        dense: evaluate every point.
        holder: whose field it is, for errors.
        given: what it came from, for errors.
        report: given the hundredths that are done, and 100.

    Returns:
        float32 `[R + 1] * 3`.

    Raises:
        NotFiniteError: a value was NaN or infinite.
    """
    pace, chunk = Pace(device), points_per_query(device, chunk)

    def report_share(done: int, expected: int) -> None:
        pace.step()
        report(round(TICKS * done / expected), TICKS)

    ladder = {"min_resolution": resolution} if dense else {}
    return _checked(
        lambda: evaluate_field(
            QueryInChunks(query, chunk), resolution, device=device, chunk_size=chunk, on_chunk=report_share,
            half_side=half_side, **ladder,
        ), holder, given,
    )


def sample_levels(
    query: FieldQuery, resolution: int, *, device: torch.device, half_side: float = 1.0, holder: str = "The field",
    given: str = "image",
) -> Tensor:
    """`sample_field` for a query that looks at all points of a level together, and paces and reports by itself."""
    return _checked(
        lambda: evaluate_field(query, resolution, device=device, chunk_size=None, half_side=half_side), holder, given
    )


def surface_of(grid: Tensor, half_side: float = 1.0) -> MeshData:
    """The surface at level 0 of a grid that `sample_field` gave, in its cube; empty where there is none."""
    mesh = extract_isosurface(grid)
    return mesh if half_side == 1.0 else mesh.with_vertices(mesh.vertices * half_side)


def _checked(evaluate: Callable[[], Tensor], holder: str, given: str) -> Tensor:
    try:
        return evaluate()
    except FieldNotFiniteError as error:
        raise not_finite(holder, given, "Try another seed or full precision") from error
