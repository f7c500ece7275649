# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the cubes of a grid that the surface passes, so that all else is evaluated for these only."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from . import cube_tables


@dataclass(frozen=True)
class SurfaceCubes:
    """The cubes with corners on both sides of the surface, in lexicographic order of their (x, y, z).

    Attributes:
        inside: bool [n, n, n], which points of the whole grid are inside.
        cubes: int64 [N], index (x * r + y) * r + z of each surface cube, with r = n - 1.
        groups: int64 [N, 12], which of the cube's dual vertices each of its edges belongs to; -1 for none.
        counts: int64 [N], dual vertices of each cube.
        points: int64 [U], index (x * n + y) * n + z of each grid point that is a corner of a surface cube.
        corners: int64 [N, 8], each cube's corners as positions in `points`.
    """

    inside: Tensor
    cubes: Tensor
    groups: Tensor
    counts: Tensor
    points: Tensor
    corners: Tensor

    @property
    def resolution(self) -> int:
        """Cubes along an axis."""
        return len(self.inside) - 1

    def point_coordinates(self) -> Tensor:
        """Grid coordinates int64 [U, 3] of `points`."""
        side = len(self.inside)
        return torch.stack([self.points // side**2, self.points // side % side, self.points % side], dim=-1)


def find_surface_cubes(distance: Tensor) -> SurfaceCubes:
    """The surface cubes of a signed distance `[n, n, n]`, indexed [x, y, z], negative inside."""
    inside = distance < 0
    cases = _cases(inside)
    cubes = ((cases != 0) & (cases != cube_tables.CASES - 1)).flatten().nonzero()[:, 0]
    tables = _repaired(cases, cubes)
    side, resolution = len(inside), len(cases)
    x, y, z = cubes // resolution**2, cubes // resolution % resolution, cubes % resolution
    offsets = torch.from_numpy(cube_tables.CORNERS @ [side * side, side, 1]).to(cubes.device)
    corners = ((x * side + y) * side + z)[:, None] + offsets
    used = torch.zeros(side**3, dtype=torch.bool, device=cubes.device)
    used[corners] = True
    position = used.cumsum(0) - 1
    groups = torch.from_numpy(cube_tables.edge_groups()).to(cubes.device)[tables]
    counts = torch.from_numpy(cube_tables.vertex_counts()).to(cubes.device)[tables]
    return SurfaceCubes(inside, cubes, groups, counts, used.nonzero()[:, 0], position[corners])


def _cases(inside: Tensor) -> Tensor:
    """The case of every cube, uint8 `[r, r, r]`."""
    resolution = len(inside) - 1
    bits = inside.to(torch.uint8)
    cases = torch.zeros((resolution,) * 3, dtype=torch.uint8, device=inside.device)
    for corner, (x, y, z) in enumerate(cube_tables.CORNERS.tolist()):
        cases |= bits[x : x + resolution, y : y + resolution, z : z + resolution] << corner
    return cases


def _repaired(cases: Tensor, cubes: Tensor) -> Tensor:
    """The case, int64 [N], whose grouping each surface cube takes."""
    own = cases.flatten()[cubes].long()
    offsets = torch.from_numpy(cube_tables.faces_to_repair()).to(cubes.device)
    flagged = offsets.any(dim=-1)
    resolution = len(cases)
    place = torch.stack([cubes // resolution**2, cubes // resolution % resolution, cubes % resolution], dim=-1)
    neighbor = place + offsets[own]
    exists = ((neighbor >= 0) & (neighbor < resolution)).all(dim=-1)
    x, y, z = neighbor.clamp(0, resolution - 1).unbind(-1)
    inverted = flagged[own] & exists & flagged[cases[x, y, z].long()]
    return torch.where(inverted, cube_tables.CASES - 1 - own, own)


def slots(surface: SurfaceCubes) -> Tensor:
    """Position in `surface.cubes` of every cube of the grid, int64 `[r, r, r]`; -1 for cubes without surface."""
    resolution = surface.resolution
    slot = torch.full((resolution**3,), -1, dtype=torch.int64, device=surface.cubes.device)
    slot[surface.cubes] = torch.arange(len(surface.cubes), device=slot.device)
    return slot.view((resolution,) * 3)


def padded_changes(inside: Tensor, axis: int) -> Tensor:
    """Whether each grid edge along `axis` that has four cubes around it changes sign, bool `[...]`.

    Index (i, j, k) is the edge from that grid point; edges on the grid's outside are false.
    """
    length = inside.shape[axis] - 1
    changes = inside.narrow(axis, 0, length) != inside.narrow(axis, 1, length)
    for other in range(3):
        if other != axis:
            changes = changes.narrow(other, 1, changes.shape[other] - 2)
    # `functional.pad` counts dimensions from the last.
    padding = [amount for other in (2, 1, 0) for amount in ((0, 0) if other == axis else (1, 1))]
    return functional.pad(changes, padding)
