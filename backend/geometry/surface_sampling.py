# SPDX-License-Identifier: GPL-3.0-or-later
"""Random points on surfaces, uniform by area."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..contract import MeshData


def stratified_surface_points(mesh: MeshData, count: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw ``count`` points, at least one from every face where there are no more faces than points.

    See docs/algorithms/partpacker.md, section 7.

    Every face gives ``ceil(count * area / total area)`` points, at least one; of all these a random subset of
    ``count`` is returned.

    Args:
        mesh: a mesh with some area.
        count: points to return.
        generator: a CPU generator.

    Returns:
        Points float32 [count, 3] and the face of each, int64 [count].

    Raises:
        ValueError: the mesh has no area.
    """
    area = np.linalg.norm(mesh.area_vectors(), axis=1)
    total = area.sum()
    if not total > 0:
        raise ValueError("the mesh has no area to sample")
    share = torch.from_numpy(np.maximum(np.ceil(count * (area / total)), 1).astype(np.int64))
    face = torch.repeat_interleave(share)
    if len(face) > count:
        face = face[torch.randperm(len(face), generator=generator)[:count]]
    return _points_on_faces(mesh, face, generator), face


def _points_on_faces(mesh: MeshData, face: Tensor, generator: torch.Generator) -> Tensor:
    u, w = torch.rand(len(face), 2, 1, generator=generator).unbind(1)
    folded = u + w > 1
    u, w = torch.where(folded, 1 - u, u), torch.where(folded, 1 - w, w)
    a, b, c = torch.from_numpy(mesh.vertices[mesh.faces])[face].unbind(1)
    return a + u * (b - a) + w * (c - a)
