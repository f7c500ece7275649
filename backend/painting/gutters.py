# SPDX-License-Identifier: GPL-3.0-or-later
"""The texels just outside of a chart's seams: they continue the surface on the other side, so that seams do not show
when a renderer interpolates between texels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry.projection import UVMesh, rasterize_uvs
from .seams import Seams

WIDTH = 2.0
"""Texels of surface beyond a seam."""


def continue_over_seams(seams: Seams, colors: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the texture with colored gutters, float32 `[S, S, C]`, and where it has colors now, bool `[S, S]`.

    Args:
        seams: of the mesh.
        colors: float32 `[S, S, C]`.
        covered: bool `[S, S]`, the texels of faces, all of which have a color.
    """
    if len(seams.ends) == 0:
        return colors, covered
    size = len(colors)
    flaps = rasterize_uvs(_flaps(seams, WIDTH / size), (size, size), layers=1)
    gutter = (flaps.face[0] >= 0) & ~covered
    corners = _sources(seams, WIDTH / size)[flaps.face[0][gutter].long()]
    source = (corners * flaps.barycentric[0][gutter][..., None]).sum(dim=1)
    taken, found = _sample(colors, covered, source)
    colors, known = colors.clone(), covered.clone()
    place = gutter.nonzero()[found]
    colors[place[:, 0], place[:, 1]] = taken[found]
    known[place[:, 0], place[:, 1]] = True
    return colors, known


def _flaps(seams: Seams, width: float) -> UVMesh:
    """Two triangles outside of each seam's sides."""
    inward = seams.inward()
    outer = seams.ends - inward[:, :, None] * width
    uvs = torch.cat([seams.ends, outer], dim=2).reshape(-1, 2)
    return UVMesh.of(torch.zeros(len(uvs), 3, device=uvs.device), _quads(uvs), uvs, _quads(uvs))


def _sources(seams: Seams, width: float) -> Tensor:
    """Where the flaps' corners lie in the chart on the other side, `[faces of the flaps, 3, 2]`."""
    inward, ends = seams.inward().flip(1), seams.ends.flip(1)
    lengths = (seams.ends[:, :, 1] - seams.ends[:, :, 0]).norm(dim=-1)
    scale = lengths.flip(1) / lengths.clamp(min=1e-12)
    inner = ends + (inward * (width * scale)[..., None])[:, :, None]
    points = torch.cat([ends, inner], dim=2).reshape(-1, 2)
    return points[_quads(points).long()]


def _quads(points: Tensor) -> Tensor:
    """Faces int32 of quads (end, end, outer, outer), four points each."""
    first = torch.arange(0, len(points), 4, device=points.device)[:, None, None]
    return (first + torch.tensor([[0, 1, 3], [0, 3, 2]], device=points.device)).reshape(-1, 3).int()


def _sample(colors: Tensor, covered: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
    """Colors `[N, C]` between the covered texels around points, and whether there is one, bool `[N]`."""
    size = len(colors)
    place = torch.stack([1 - uv[:, 1], uv[:, 0]], dim=1) * size - 0.5
    low = place.floor().long()
    share = place - low
    total = torch.zeros(len(uv), colors.shape[-1], device=colors.device)
    weights = torch.zeros(len(uv), device=colors.device)
    for dy in (0, 1):
        for dx in (0, 1):
            row, column = low[:, 0] + dy, low[:, 1] + dx
            inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            row, column = row.clamp(0, size - 1), column.clamp(0, size - 1)
            weight = (share[:, 0] if dy else 1 - share[:, 0]) * (share[:, 1] if dx else 1 - share[:, 1])
            weight = weight * (inside & covered[row, column])
            total += colors[row, column] * weight[:, None]
            weights += weight
    return total / weights.clamp(min=1e-12)[:, None], weights > 1e-6
