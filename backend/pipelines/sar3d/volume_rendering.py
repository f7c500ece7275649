# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of a density field: rays marched coarsely, then again with samples where the coarse march met something.

Training compares these with images. Frame: the field's, Z up, the object in a cube of side `box`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .fields import DensityField

DENSITY_SHIFT = 1.0
WEIGHT_MARGIN = 0.01
PDF_MARGIN = 1e-5
OUTSIDE = -torch.finfo(torch.float32).max / 3
"""Raw density of samples outside of the cube."""
Uniform = Callable[[tuple[int, ...]], Tensor]
"""Random numbers float32 in [0, 1) of a given shape, on the device of the rays."""


@dataclass(frozen=True)
class Views:
    """What `render` makes: float32 in [V, C, H, W].

    Attributes:
        color: sRGB in [-1, 1], white behind the object, [V, 3, H, W].
        depth: distance along the ray, not divided by the alpha, [V, 1, H, W].
        alpha: [V, 1, H, W].
    """

    color: Tensor
    depth: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class Samples:
    """Samples along rays, in the order of their distances: `distance [V, R, N]`, `color [..., 3]`, raw `density`."""

    distance: Tensor
    color: Tensor
    density: Tensor

    def merged(self, other: "Samples") -> "Samples":
        """The samples of both, in order."""
        distance, order = torch.cat([self.distance, other.distance], dim=-1).sort(dim=-1)
        color = torch.cat([self.color, other.color], dim=-2)
        density = torch.cat([self.density, other.density], dim=-1)
        return Samples(distance, color.gather(-2, order[..., None].expand_as(color)), density.gather(-1, order))

    def middles(self) -> Tensor:
        """Distances half way between neighbors, [V, R, N - 1]."""
        return (self.distance[..., 1:] + self.distance[..., :-1]) / 2

    def weights(self) -> Tensor:
        """What the light between neighbors adds to the pixel, [V, R, N - 1]."""
        raw = (self.density[..., 1:] + self.density[..., :-1]) / 2
        density = functional.softplus(raw - DENSITY_SHIFT)
        alpha = 1 - torch.exp(-density * self.distance.diff(dim=-1))
        through = torch.cumprod(1 - alpha + 1e-10, dim=-1)
        return alpha * functional.pad(through[..., :-1], (1, 0), value=1.0)


def render(
    field: DensityField,
    triplane: Tensor,
    cameras: Tensor,
    side: int,
    *,
    coarse: int = 80,
    fine: int = 80,
    uniform: Uniform,
) -> Views:
    """Views of side x side pixels of one object.

    Args:
        field: what reads the triplane.
        triplane: float32 [1, 3, C, H, W].
        cameras: float32 [V, 25]: camera to world (4 x 4; x right, y down, z forward) and the intrinsics (3 x 3) in
            shares of the image's side.
        side: pixels of a view.
        coarse: samples of a ray at first.
        fine: samples where the first ones met something.
        uniform: source of the samples' jitter.
    """
    return composite(march(field, triplane, cameras, side, coarse, fine, uniform), side)


def march(
    field: DensityField, triplane: Tensor, cameras: Tensor, side: int, coarse: int, fine: int, uniform: Uniform
) -> Samples:
    """The samples of all pixels' rays, [V, side², coarse + fine]. The arguments are those of `render`."""
    origins, directions = rays(cameras, side)
    near, far = near_and_far(origins, directions, field.box / 2)
    steps = torch.arange(coarse, device=near.device)
    jittered = steps + uniform((*near.shape, coarse))
    distance = near[..., None] + jittered * ((far - near) / (coarse - 1))[..., None]
    samples = sample_field(field, triplane, origins, directions, distance)
    more = importance_distances(samples, uniform((*near.shape, fine)))
    return samples.merged(sample_field(field, triplane, origins, directions, more))


def composite(samples: Samples, side: int) -> Views:
    """Views of side x side pixels of all rays' samples."""
    weights = samples.weights()
    alpha = weights.sum(dim=-1, keepdim=True)
    color_between = (samples.color[..., 1:, :] + samples.color[..., :-1, :]) / 2
    color = (weights[..., None] * color_between).sum(dim=-2) + 1 - alpha
    depth = (weights * samples.middles()).sum(dim=-1, keepdim=True)
    views = (value.transpose(1, 2).unflatten(2, (side, side)) for value in (color * 2 - 1, depth, alpha))
    return Views(*views)


def rays(cameras: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions `[V, side², 3]` of the rays through all pixels' centers, row by row."""
    to_world, intrinsics = cameras[:, :16].view(-1, 4, 4), cameras[:, 16:25].view(-1, 3, 3)
    centers = (torch.arange(side, device=cameras.device) + 0.5) / side
    y, x = (grid.flatten() for grid in torch.meshgrid(centers, centers, indexing="ij"))
    local = torch.stack([
        (x - intrinsics[:, :1, 2]) / intrinsics[:, :1, 0],
        (y - intrinsics[:, 1:2, 2]) / intrinsics[:, 1:2, 1],
        torch.ones(len(cameras), side * side, device=cameras.device),
    ], dim=-1)
    directions = functional.normalize(local @ to_world[:, :3, :3].transpose(1, 2), dim=-1)
    return to_world[:, None, :3, 3].expand_as(directions), directions


def near_and_far(origins: Tensor, directions: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Distances `[V, R]` where rays enter and leave the cube that reaches as far from the origin on every axis.

    Rays that miss it get the nearest and the farthest entry of the others, as published.
    """
    bounds = torch.tensor([-reach, reach], device=origins.device)
    at_bounds = (bounds - origins[..., None]) / directions[..., None]
    near, far = at_bounds.amin(dim=-1).amax(dim=-1), at_bounds.amax(dim=-1).amin(dim=-1)
    hits = near <= far
    if hits.any():
        near_of_misses, far_of_misses = near[hits].min(), near[hits].max()
        near, far = torch.where(hits, near, near_of_misses), torch.where(hits, far, far_of_misses)
    return near, far


def sample_field(
    field: DensityField, triplane: Tensor, origins: Tensor, directions: Tensor, distance: Tensor
) -> Samples:
    """What the field holds at `distance [V, R, N]` along rays `[V, R, 3]`."""
    points = origins[..., None, :] + distance[..., None] * directions[..., None, :]
    density, color = field(triplane, points.reshape(1, -1, 3))
    density, color = density.view_as(distance), color.view_as(points)
    outside = (points.abs() > field.box / 2).any(dim=-1)
    return Samples(distance, color.masked_fill(outside[..., None], 0), density.masked_fill(outside, OUTSIDE))


def importance_distances(samples: Samples, uniform: Tensor) -> Tensor:
    """Distances `[V, R, F]` drawn by `uniform [V, R, F]` from where the coarse samples have weight; unsorted."""
    weights = samples.weights().detach().flatten(0, 1)
    spread = functional.avg_pool1d(functional.max_pool1d(weights, 2, 1, padding=1), 2, 1) + WEIGHT_MARGIN
    pdf = spread[:, 1:-1] + PDF_MARGIN
    cdf = functional.pad((pdf / pdf.sum(dim=-1, keepdim=True)).cumsum(dim=-1), (1, 0))
    middles, draws = samples.middles().detach().flatten(0, 1), uniform.flatten(0, 1).contiguous()
    above = torch.searchsorted(cdf, draws, right=True)
    low, high = (above - 1).clamp_min(0), above.clamp_max(cdf.shape[-1] - 1)
    cdf_low, cdf_high = cdf.gather(-1, low), cdf.gather(-1, high)
    width = cdf_high - cdf_low
    share = (draws - cdf_low) / torch.where(width < PDF_MARGIN, 1.0, width)
    start, end = middles.gather(-1, low), middles.gather(-1, high)
    return (start + share * (end - start)).view_as(uniform)
