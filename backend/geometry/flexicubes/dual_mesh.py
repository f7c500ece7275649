# SPDX-License-Identifier: GPL-3.0-or-later
"""The dual mesh of surface cubes: a vertex for each group of edges, a quad for each grid edge that changes sign."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import cube_tables
from .surface_cubes import SurfaceCubes, padded_changes, slots

Split = Literal["diagonal", "center"]
"""A quad becomes two triangles along the diagonal with the larger weight, or four around a weighted center."""
CENTER_MARGIN = 1e-8
WEIGHT_RANGE = 0.5


@dataclass(frozen=True)
class CubeWeights:
    """How far a cube's dual vertices lean: `edges [N, 12]`, `corners [N, 8]` and `split [N]`, all positive."""

    edges: Tensor
    corners: Tensor
    split: Tensor

    @classmethod
    def even(cls, count: int, like: Tensor) -> "CubeWeights":
        """Weights of `count` cubes that favor nothing, of the device and dtype of `like`."""
        return cls(like.new_ones(count, 12), like.new_ones(count, 8), like.new_ones(count))

    @classmethod
    def from_raw(cls, raw: Tensor, reach: float = WEIGHT_RANGE) -> "CubeWeights":
        """Weights of a network's outputs `[N, 21]` (12 edges, 8 corners, 1 split): within `reach` of the middle."""
        edges, corners, split = raw.split([12, 8, 1], dim=-1)
        return cls(1 + reach * edges.tanh(), 1 + reach * corners.tanh(),
                   (1 - reach) / 2 + reach * split[:, 0].sigmoid())


@dataclass(frozen=True)
class DualMesh:
    """Triangles that wind counter-clockwise seen from where the distance is positive.

    Attributes:
        vertices: float [V, 3].
        faces: int64 [F, 3].
    """

    vertices: Tensor
    faces: Tensor


def extract_dual_mesh(
    surface: SurfaceCubes, positions: Tensor, distances: Tensor, weights: CubeWeights, split: Split = "diagonal"
) -> DualMesh:
    """The dual mesh of a signed distance; differentiable by all but `surface`.

    Where the solid meets the outside of the grid the mesh is open.

    Args:
        surface: the surface cubes.
        positions: float [U, 3], where the grid points `surface.points` lie.
        distances: float [U], the signed distance there, with the signs of `surface.inside`.
        weights: of the N surface cubes.
        split: how quads become triangles.
    """
    crossings = _crossings(surface, positions, distances, weights)
    vertices = _dual_vertices(surface, crossings, weights)[_exists(surface)]
    quads = _quads(surface)
    splits = weights.split.repeat_interleave(surface.counts)
    if split == "diagonal":
        return DualMesh(vertices, _along_diagonal(quads, splits))
    return DualMesh(*_around_center(vertices, quads, splits))


def edge_deviations(surface: SurfaceCubes, positions: Tensor, distances: Tensor, weights: CubeWeights) -> Tensor:
    """How much a dual vertex' distances from where its edges truly cross the surface differ from their mean, float [M].

    Training keeps it small. The arguments are those of `extract_dual_mesh`.
    """
    vertices = _dual_vertices(surface, _crossings(surface, positions, distances, weights), weights)
    even = CubeWeights.even(len(surface.cubes), distances)
    members = _members(surface, vertices.dtype)
    own = torch.einsum("nev,nvc->nec", members, vertices)
    distance = (_crossings(surface, positions, distances, even) - own).norm(dim=-1)
    mean = torch.einsum("nev,ne->nv", members, distance) / members.sum(dim=1).clamp_min(1)
    return (distance - torch.einsum("nev,nv->ne", members, mean)).abs()[surface.groups >= 0]


def _crossings(surface: SurfaceCubes, positions: Tensor, distances: Tensor, weights: CubeWeights) -> Tensor:
    """Where the surface crosses each edge of each cube, [N, 12, 3]; meaningless for edges without a change of sign."""
    first, second = torch.from_numpy(cube_tables.EDGES.T).to(surface.corners.device)
    leaning = weights.corners * distances[surface.corners]
    at = positions[surface.corners]
    a, b = leaning[:, first, None], leaning[:, second, None]
    # 1 keeps the division finite, and its gradient zero, where the sign does not change.
    between = torch.where((surface.groups >= 0)[..., None], b - a, 1.0)
    return (at[:, first] * b - at[:, second] * a) / between


def _dual_vertices(surface: SurfaceCubes, crossings: Tensor, weights: CubeWeights) -> Tensor:
    """The weighted mean of the crossings of each group of edges, [N, 4, 3]; zeros where a cube has fewer vertices."""
    # Sums of twelve terms, not scattered ones: the same bits on every run.
    shares = _members(surface, crossings.dtype) * weights.edges[..., None]
    total = torch.where(_exists(surface), shares.sum(dim=1), 1.0)
    return torch.einsum("nev,nec->nvc", shares, crossings) / total[..., None]


def _members(surface: SurfaceCubes, dtype: torch.dtype) -> Tensor:
    """1 where an edge of a cube belongs to one of its dual vertices, else 0, [N, 12, 4]."""
    numbers = torch.arange(cube_tables.MOST_VERTICES, device=surface.groups.device)
    return (surface.groups[..., None] == numbers).to(dtype)


def _exists(surface: SurfaceCubes) -> Tensor:
    """Which of the four dual vertices a cube has, bool [N, 4]."""
    return torch.arange(cube_tables.MOST_VERTICES, device=surface.counts.device) < surface.counts[:, None]


def _quads(surface: SurfaceCubes) -> Tensor:
    """Dual vertices int64 [Q, 4] around every grid edge that changes sign, wound to face outwards."""
    slot = slots(surface)
    starts = surface.counts.cumsum(0) - surface.counts
    vertex_of_edge = starts[:, None] + surface.groups
    quads = []
    for axis in range(3):
        edges = padded_changes(surface.inside, axis).nonzero()
        first_end = edges.clone()
        first_end[:, axis] += cube_tables.first_end_offset(axis)
        others = [other for other in range(3) if other != axis]
        corners = []
        for edge, before in zip(cube_tables.edges_around(axis), ((1, 1), (1, 0), (0, 1), (0, 0)), strict=True):
            cube = edges.clone()
            cube[:, others] -= torch.tensor(before, device=cube.device)
            corners.append(vertex_of_edge[slot[tuple(cube.T)], int(edge)])
        around = torch.stack(corners, dim=-1)
        outside = ~surface.inside[tuple(first_end.T)]
        quads.append(torch.where(outside[:, None], around[:, [0, 1, 3, 2]], around[:, [2, 3, 1, 0]]))
    return torch.cat(quads)


def _along_diagonal(quads: Tensor, splits: Tensor) -> Tensor:
    """Two triangles for each quad, [2 Q, 3]."""
    by_02, by_13 = _diagonal_weights(quads, splits)
    one, other = quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [0, 1, 3, 3, 1, 2]]
    return torch.where((by_02 > by_13)[:, None], one, other).view(-1, 3)


def _around_center(vertices: Tensor, quads: Tensor, splits: Tensor) -> tuple[Tensor, Tensor]:
    """The vertices with a center for each quad behind them, [V + Q, 3], and four triangles for each quad, [4 Q, 3]."""
    by_02, by_13 = (weight[:, None] for weight in _diagonal_weights(quads, splits))
    corners = vertices[quads]
    middle_02, middle_13 = corners[:, [0, 2]].mean(dim=1), corners[:, [1, 3]].mean(dim=1)
    centers = (by_02 * middle_02 + by_13 * middle_13) / (by_02 + by_13 + CENTER_MARGIN)
    center = torch.arange(len(quads), device=quads.device) + len(vertices)
    faces = torch.stack([quads, quads.roll(-1, dims=1), center[:, None].expand(-1, 4)], dim=-1)
    return torch.cat([vertices, centers]), faces.view(-1, 3)


def _diagonal_weights(quads: Tensor, splits: Tensor) -> tuple[Tensor, Tensor]:
    """The weight of each quad's diagonals 0-2 and 1-3, each [Q]."""
    of_corner = splits[quads]
    return of_corner[:, 0] * of_corner[:, 2], of_corner[:, 1] * of_corner[:, 3]
