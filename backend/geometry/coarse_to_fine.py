# SPDX-License-Identifier: GPL-3.0-or-later
"""Coarse-to-fine evaluation of a field on a cubic grid: dense at first, then only near the surface.

See docs/algorithms/partpacker.md, section 5.

Index i of a grid of resolution r lies at ``-1 + 2 i / r`` on each axis, times half the side of the cube; grids are
indexed ``[x, y, z]``. The field is positive inside, and its magnitude below 1 near the surface only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

FieldQuery = Callable[[Tensor], Tensor]
"""Maps points float32 [P, 3] in the cube to field values [P] of any float dtype, on the device of the points."""

WIDE_BAND_RESOLUTION = 512
"""From this resolution on the band is widened on the fine grid only (5^3) instead of on both grids (3^3)."""
BAND_GROWTH = 8
"""How many times more points a finer band is expected to hold; only used to estimate progress."""


class FieldNotFiniteError(ValueError):
    """The field returned NaN or infinity, as it does with damaged weights or an overflow in half precision."""


def resolution_ladder(resolution: int, min_resolution: int = 64) -> list[int]:
    """Return ``resolution`` halved (rounding down) while it stays at least ``min_resolution``, coarsest first.

    A resolution below ``min_resolution`` is a ladder of one dense level.
    """
    ladder = [resolution]
    while ladder[0] // 2 >= min_resolution:
        ladder.insert(0, ladder[0] // 2)
    return ladder


def evaluate_field(
    query: FieldQuery,
    resolution: int,
    *,
    device: torch.device | str,
    chunk_size: int | None,
    on_chunk: Callable[[int, int], None] | None = None,
    half_side: float = 1.0,
    truncation: float = 0.95,
    min_resolution: int = 64,
) -> Tensor:
    """Evaluate a field on the grid of ``resolution`` cells per axis, skipping what lies far from the surface.

    Each finer level evaluates the points around coarse points whose sign differs from a neighbor's or whose magnitude
    is below ``truncation``. Points never evaluated hold +1 inside and -1 outside, so that marching cubes over the
    whole grid finds the surface and nothing else.

    Args:
        query: the field.
        resolution: cells per axis R.
        device: where grid and points live.
        chunk_size: the most points per query; None for a field that looks at all points of a level together.
        on_chunk: called after every query with the points done and the points expected in all, which is an estimate
            until the last level begins. What it raises (a cancellation) passes through.
        half_side: half the side of the cube that the grid spans.
        truncation: magnitudes below this count as near the surface.
        min_resolution: the ladder's coarsest level is at least this.

    Returns:
        float32 [R+1, R+1, R+1] on ``device``.

    Raises:
        FieldNotFiniteError: a value was NaN or infinite.
    """
    ladder = resolution_ladder(resolution, min_resolution)
    done = 0
    grid = torch.empty(0, device=device)
    for level, level_resolution in enumerate(ladder):
        points_per_axis = level_resolution + 1
        if level == 0:
            grid = torch.empty((points_per_axis,) * 3, device=device)
            indices = torch.arange(grid.numel(), device=device)
        else:
            indices = _band(grid, level_resolution, truncation).flatten().nonzero()[:, 0]
            grid = _upsampled_sign(grid, level_resolution)
        expected = done + _expected_points(len(indices), len(ladder) - 1 - level, first=level == 0)
        report = None if on_chunk is None else _offset_report(on_chunk, done, expected)
        axis = _axis_coordinates(level_resolution, half_side, exact=level == 0, device=device)
        _evaluate_points(query, grid, indices, axis, chunk_size or max(len(indices), 1), report)
        done += len(indices)
    return grid


def _evaluate_points(
    query: FieldQuery,
    grid: Tensor,
    indices: Tensor,
    axis: Tensor,
    chunk_size: int,
    report: Callable[[int], None] | None,
) -> None:
    """Write the field at the flat grid ``indices`` into ``grid``."""
    values = grid.view(-1)
    n = len(axis)
    finite = torch.ones((), dtype=torch.bool, device=grid.device)
    for start in range(0, len(indices), chunk_size):
        chunk = indices[start : start + chunk_size]
        points = axis[torch.stack([chunk // (n * n), chunk // n % n, chunk % n], dim=-1)]
        result = query(points).to(values.dtype)
        # Accumulated on the device and read once per level: reading it per chunk would stall the GPU's queue.
        finite &= torch.isfinite(result).all()
        values[chunk] = result
        if report is not None:
            report(start + len(chunk))
    if not finite:
        raise FieldNotFiniteError(
            "The shape field holds values that are not finite. The weights may be damaged or the precision too low. "
            "Download the weights again, or choose float32."
        )


def _offset_report(on_chunk: Callable[[int, int], None], offset: int, expected: int) -> Callable[[int], None]:
    return lambda done: on_chunk(offset + done, expected)


def _expected_points(count: int, levels_left: int, *, first: bool) -> int:
    """Estimate the points of this and all later levels. The first band is about as large as the dense level."""
    total = band = count
    for step in range(levels_left):
        band *= 1 if first and step == 0 else BAND_GROWTH
        total += band
    return total


def _axis_coordinates(
    resolution: int, half_side: float, *, exact: bool, device: torch.device | str
) -> Tensor:
    """Return the float32 coordinates of one axis.

    The dense level rounds once from double precision and the finer ones work in single precision: the published
    pipeline does, and the last bit decides a few ``|value| < truncation`` tests.
    """
    if exact:
        return torch.from_numpy(np.linspace(-half_side, half_side, resolution + 1).astype(np.float32)).to(device)
    return torch.arange(resolution + 1, device=device, dtype=torch.float32) * (2 * half_side) / resolution - half_side


def _upsampled_sign(coarse: Tensor, resolution: int) -> Tensor:
    """Return +1 / -1 by the sign of the nearest coarse point, float32 [r+1, r+1, r+1]."""
    half = coarse.shape[0] - 1
    index = torch.arange(resolution + 1, device=coarse.device)
    nearest = (2 * index * half + resolution) // (2 * resolution)
    sign = torch.where(coarse >= 0, 1.0, -1.0).to(coarse.dtype)
    return sign[nearest][:, nearest][:, :, nearest].contiguous()


def _band(coarse: Tensor, resolution: int, truncation: float) -> Tensor:
    """Return the mask, bool [r+1, r+1, r+1], of the fine points to evaluate around the coarse grid's surface."""
    near = coarse.abs() < truncation
    inside = coarse >= 0
    for dim in range(3):
        length = coarse.shape[dim] - 1
        differs = inside.narrow(dim, 1, length) != inside.narrow(dim, 0, length)
        near.narrow(dim, 1, length).logical_or_(differs)
        near.narrow(dim, 0, length).logical_or_(differs)
    wide = resolution >= WIDE_BAND_RESOLUTION
    if not wide:
        near = _dilate(near)
    fine = torch.zeros((resolution + 1,) * 3, dtype=torch.bool, device=coarse.device)
    end = 2 * coarse.shape[0] - 1
    fine[:end:2, :end:2, :end:2] = near
    fine = _dilate(fine)
    return _dilate(fine) if wide else fine


def _dilate(mask: Tensor) -> Tensor:
    """Dilate a mask by a 3x3x3 box, one axis after the other: a quarter of the memory of max pooling in float."""
    for dim in range(3):
        length = mask.shape[dim] - 1
        dilated = mask.clone()
        dilated.narrow(dim, 1, length).logical_or_(mask.narrow(dim, 0, length))
        dilated.narrow(dim, 0, length).logical_or_(mask.narrow(dim, 1, length))
        mask = dilated
    return mask
