# SPDX-License-Identifier: GPL-3.0-or-later
"""Texels as neighbors on the surface: within a chart those around, at its border those across the seam."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..geometry.projection import Fragments, UVMesh, rasterize_uvs
from .seams import Seams

AROUND, ACROSS = 4, 4
"""Neighbors of a texel within its chart, and across seams, at most."""
REACHES = (0.25, 0.75, 1.25)
"""How far inside of a chart's border its texel is looked for, in texels: its center may lie outside of the face."""


@dataclass(frozen=True)
class TexelGraph:
    """The texels of a square texture that some face covers.

    Attributes:
        chart: int64 `[S, S]`, -1 where no face is.
        position: float32 `[S, S, 3]` on the surface, 0 where no face is.
        seams: of the mesh.
    """

    chart: Tensor
    position: Tensor
    seams: Seams

    @classmethod
    def of(cls, mesh: UVMesh, seams: Seams, size: int, layout: Fragments | None = None) -> TexelGraph:
        """`layout` is of `rasterize_uvs` at that size, if it is known already; its first layer counts."""
        layout = layout or rasterize_uvs(mesh, (size, size), layers=1)
        face = layout.face[0].long()
        return cls(torch.where(face >= 0, seams.chart[face.clamp(min=0)], -1), texel_positions(mesh, layout), seams)

    @property
    def size(self) -> int:
        """S."""
        return len(self.chart)

    @property
    def covered(self) -> Tensor:
        """Where a face is, bool `[S, S]`."""
        return self.chart >= 0

    def neighbors(self, texels: Tensor) -> Tensor:
        """Neighbors of texels `[N]` (row * S + column) as linear indices, -1 for none, int64 `[N, 8]`:
        above, below, left, right, then those across seams."""
        chart, size = self.chart.flatten(), self.size
        row, column = texels // size, texels % size
        around = []
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            inside = (row + dy >= 0) & (row + dy < size) & (column + dx >= 0) & (column + dx < size)
            other = torch.where(inside, texels + dy * size + dx, texels)
            around.append(torch.where(inside & (chart[other] == chart[texels]), other, -1))
        return torch.cat([torch.stack(around, dim=1), self._across_seams(texels)], dim=1)

    def _across_seams(self, texels: Tensor) -> Tensor:
        table = torch.full((len(texels), ACROSS), -1, dtype=torch.long, device=texels.device)
        here, there = self.links
        wanted = torch.full((self.size**2,), -1, dtype=torch.long, device=texels.device)
        wanted[texels] = torch.arange(len(texels), device=texels.device)
        # Links are sorted by the texel that they start from: the first few of each are kept.
        first = torch.searchsorted(here, here)
        rank = torch.arange(len(here), device=here.device) - first
        kept = (rank < ACROSS) & (wanted[here] >= 0)
        table[wanted[here[kept]], rank[kept]] = there[kept]
        return table

    @cached_property
    def links(self) -> tuple[Tensor, Tensor]:
        """Pairs of texels that lie on both sides of a seam, in both directions, sorted, int64 `[L]` each."""
        uv, edge = self.seams.samples(0.5 / self.size)
        inward = self.seams.inward()[edge]
        sides = [self._texel(uv[:, side], inward[:, side], self.seams.faces[edge, side]) for side in (0, 1)]
        found = (sides[0] >= 0) & (sides[1] >= 0) & (sides[0] != sides[1])
        one, other = (side[found] for side in sides)
        keys = torch.cat([one * self.size**2 + other, other * self.size**2 + one]).unique()
        return keys // self.size**2, keys % self.size**2

    def _texel(self, uv: Tensor, inward: Tensor, face: Tensor) -> Tensor:
        """The texel of the face's chart just inside of a point on its border, -1 if there is none."""
        texel = torch.full((len(uv),), -1, dtype=torch.long, device=uv.device)
        for reach in REACHES:
            place = uv + inward * (reach / self.size)
            column, row = (place[:, 0] * self.size).floor().long(), ((1 - place[:, 1]) * self.size).floor().long()
            at = row.clamp(0, self.size - 1) * self.size + column.clamp(0, self.size - 1)
            fits = (texel < 0) & (self.chart.flatten()[at] == self.seams.chart[face])
            texel = torch.where(fits, at, texel)
        return texel


def texel_positions(mesh: UVMesh, layout: Fragments) -> Tensor:
    """Where on the surface each texel of the layout's first layer lies, float32 `[H, W, 3]`; 0 where no face is."""
    corners = mesh.vertices[mesh.faces.long()[layout.face[0].long().clamp(min=0)]]
    return (corners * layout.barycentric[0][..., None]).sum(dim=-2)
