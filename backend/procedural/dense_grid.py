# SPDX-License-Identifier: GPL-3.0-or-later
"""The distance of one procedural object on a regular grid, to make a mesh of it."""

from __future__ import annotations

import torch
from torch import Tensor

from .primitives import ObjectBatch, union_distance

POINTS_AT_ONCE = 1 << 16


@torch.no_grad()
def distance_grid(batch: ObjectBatch, resolution: int) -> Tensor:
    """Signed distance float32 [R + 1, R + 1, R + 1] over [-1, 1]^3 of a batch of one object, indexed [x, y, z]."""
    places = torch.linspace(-1.0, 1.0, resolution + 1, device=batch.center.device)
    points = torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1).reshape(1, -1, 3)
    pieces = [union_distance(batch, part)[0] for part in points.split(POINTS_AT_ONCE, dim=1)]
    return torch.cat(pieces).view(*[resolution + 1] * 3)
