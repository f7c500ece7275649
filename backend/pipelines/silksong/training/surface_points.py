# SPDX-License-Identifier: GPL-3.0-or-later
"""Condition points of many objects at once, on their device, with the noise of the recipe.

See docs/algorithms/silksong.md, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sample_points(corners: Tensor, face_counts: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points with flat normals, float32 [B, count, 6], uniform by area, of triangles ``corners`` [B, F, 3, 3].

    Object b has ``face_counts[b]`` triangles; what is behind them does not count.
    """
    corners = corners.float()
    edges = corners[:, :, 1:] - corners[:, :, :1]
    normals = torch.linalg.cross(edges[:, :, 0], edges[:, :, 1])
    lengths = normals.norm(dim=-1)
    real = torch.arange(corners.shape[1], device=corners.device) < face_counts[:, None]
    cumulative = (lengths * real).double().cumsum(dim=1)
    drawn = torch.rand(len(corners), count, generator=generator, device=corners.device, dtype=torch.float64)
    face = torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True)
    face = torch.minimum(face, face_counts[:, None] - 1)[..., None]
    weights = torch.rand(len(corners), count, 2, generator=generator, device=corners.device)
    weights = torch.where(weights.sum(dim=-1, keepdim=True) > 1, 1 - weights, weights)
    picked = edges.flatten(2).take_along_dim(face, dim=1).view(len(corners), count, 2, 3)
    points = corners[:, :, 0].take_along_dim(face, dim=1) + (weights[..., None] * picked).sum(dim=2)
    return torch.cat([points, functional.normalize(normals.take_along_dim(face, dim=1), dim=-1)], dim=-1)


def with_noise(points: Tensor, noise: float, tilt: float, generator: torch.Generator) -> Tensor:
    """``points`` [B, P, 6] rounded to float16, half of the objects displaced by ``noise`` before.

    Of these, the normals tilt too, by a noise of a random strength up to ``tilt``.
    """
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=points.device)

    batch, count, _ = points.shape
    noisy = torch.rand(batch, 1, 1, generator=generator, device=points.device) < 0.5
    strength = tilt * torch.rand(batch, 1, 1, generator=generator, device=points.device)
    places = points[..., :3] + noise * noisy * normal(batch, count, 3)
    normals = functional.normalize(points[..., 3:] + strength * noisy * normal(batch, count, 3), dim=-1)
    return torch.cat([places, normals], dim=-1).half().float()
