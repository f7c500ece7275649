# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of a UV layout, and the edges at which two of them meet on the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import normalize

from ..geometry.projection import UVMesh


@dataclass(frozen=True)
class Seams:
    """E edges that lie at two places of the texture.

    Attributes:
        chart: int64 `[F]`, the chart of each face, numbered from 0.
        ends: float32 `[E, 2, 2, 2]`: edge, side, end, uv. Both sides have their ends in the same order.
        inside: float32 `[E, 2, 2]`: edge, side, uv; the third corner of the side's face.
        faces: int64 `[E, 2]`, the faces of both sides.
    """

    chart: Tensor
    ends: Tensor
    inside: Tensor
    faces: Tensor

    @classmethod
    def of(cls, mesh: UVMesh) -> Seams:
        """Compare vertices by where they are, not by their index: files often hold one for each side of a seam."""
        corners = mesh.corner_uvs().cpu().numpy()
        places = _numbered(mesh.vertices.cpu().numpy())[mesh.faces.cpu().long().numpy()]
        start, end = places, np.roll(places, -1, axis=1)
        edge = _numbered(np.sort(np.stack([start, end], axis=2).reshape(-1, 2), axis=1))
        order = np.argsort(edge, kind="stable")
        same = edge[order[1:]] == edge[order[:-1]]
        # Sides are numbered 3 * face + corner. Where more than two faces meet, each is paired with the next.
        sides = np.stack([order[:-1][same], order[1:][same]], axis=1)
        ends = _ends(corners, places, sides)
        joined = (ends[:, 0] == ends[:, 1]).all(axis=(1, 2))
        faces = sides // 3
        count = len(corners)
        graph = coo_matrix((np.ones(joined.sum()), faces[joined].T), shape=(count, count))
        chart = connected_components(graph, directed=False)[1]
        opposite = corners.reshape(-1, 2)[(sides // 3) * 3 + (sides + 2) % 3]
        seam = ~joined
        parts = (chart.astype(np.int64), ends[seam], opposite[seam], faces[seam])
        return cls(*(torch.from_numpy(np.ascontiguousarray(part)).to(mesh.device) for part in parts))

    def inward(self) -> Tensor:
        """The way from each side into its face, in the texture, unit float32 `[E, 2, 2]`."""
        along = self.ends[:, :, 1] - self.ends[:, :, 0]
        across = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
        side = ((self.inside - self.ends[:, :, 0]) * across).sum(dim=-1, keepdim=True)
        return normalize(across * side.sign(), dim=-1, eps=1e-12)

    def samples(self, spacing: float) -> tuple[Tensor, Tensor]:
        """Points along both sides of every edge, at most `spacing` apart (in textures).

        Returns:
            uv float32 `[N, 2, 2]` (sample, side, uv), and the edge of each sample, int64 `[N]`.
        """
        along = self.ends[:, :, 1] - self.ends[:, :, 0]
        counts = (along.norm(dim=-1).amax(dim=1) / spacing).ceil().long().clamp(min=1)
        edge = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        number = torch.arange(len(edge), device=edge.device) - (counts.cumsum(0) - counts)[edge]
        share = ((number + 0.5) / counts[edge])[:, None, None]
        return self.ends[edge, :, 0] + share * along[edge], edge


def _numbered(rows: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.int64]:
    """The same number for equal rows; -0.0 equals 0.0."""
    clean = np.ascontiguousarray(rows + 0)
    keys = clean.view(np.dtype((np.void, clean.dtype.itemsize * clean.shape[1])))[:, 0]
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _ends(
    corners: NDArray[np.float32], places: NDArray[np.int64], sides: NDArray[np.int64]
) -> NDArray[np.float32]:
    """UVs of the sides' ends [E, 2, 2, 2], the end at the lower-numbered place first."""
    uv, place = corners.reshape(-1, 2), places.reshape(-1)
    first = sides
    second = (sides // 3) * 3 + (sides + 1) % 3
    turned = (place[first] > place[second])[..., None]
    return np.stack([np.where(turned, uv[second], uv[first]), np.where(turned, uv[first], uv[second])], axis=2)
