# SPDX-License-Identifier: GPL-3.0-or-later
"""Where fields are learned and measured: points near surfaces, grids, and how much two solids overlap."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = (0.02, 0.08)
"""Standard deviations of the noise that takes surface points to field points near the surface."""


def points_near(surface: Tensor, generator: torch.Generator, half_side: float = 1.0) -> Tensor:
    """Return points off the surface at two scales by turns, within [-half_side, half_side]^3, of ``surface`` [B, P, 3].
    """
    device = surface.device
    scale = torch.where(torch.arange(surface.shape[1], device=device) % 2 == 0, *NEAR)[None, :, None]
    noise = torch.randn(surface.shape, generator=generator, device=device)
    return (surface + scale * noise).clamp(-half_side, half_side)


def points_anywhere(batch: int, count: int, generator: torch.Generator, half_side: float = 1.0) -> Tensor:
    """Return uniform points of the cube [-half_side, half_side]^3, [batch, count, 3]."""
    return half_side * (2.0 * torch.rand(batch, count, 3, generator=generator, device=generator.device) - 1.0)


def field_points(surface: Tensor, count: int, generator: torch.Generator, half_side: float = 1.0) -> Tensor:
    """Return points [B, count, 3]: a half near the surface, of ``surface`` [B, P, 3], a half uniform in the cube."""
    near = count // 2
    index = torch.randint(surface.shape[1], (len(surface), near, 1), generator=generator, device=surface.device)
    close = points_near(surface.take_along_dim(index, dim=1), generator, half_side)
    return torch.cat([close, points_anywhere(len(surface), count - near, generator, half_side)], dim=1)


def grid_points(resolution: int, device: torch.device | str, half_side: float = 1.0) -> Tensor:
    """Return the centers of the cells of a grid over [-half_side, half_side]^3, [resolution^3, 3], x slowest."""
    places = half_side * ((torch.arange(resolution, device=device) + 0.5) / resolution * 2.0 - 1.0)
    return torch.cartesian_prod(places, places, places)


def intersection_over_union(first: Tensor, second: Tensor) -> Tensor:
    """Return |A and B| / |A or B| over the last axis of two bool tensors."""
    return (first & second).sum(dim=-1) / (first | second).sum(dim=-1).clamp(min=1)


def field_loss(
    field: Tensor, target: Tensor, divergence: Tensor, divergence_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return an autoencoder's loss and its terms: squared and absolute error of the field, the latent's divergence."""
    error = field - target
    square, absolute = error.square().mean(), error.abs().mean()
    wrong = ((field > 0) != (target > 0)).float().mean()
    terms = {"loss_square": square, "loss_absolute": absolute, "divergence": divergence, "wrong_sign": wrong}
    return square + absolute + divergence_weight * divergence, terms
