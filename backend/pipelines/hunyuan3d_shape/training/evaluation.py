# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out metrics while training: what the autoencoder keeps of a shape, what the denoiser makes of an image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ....procedural.primitives import ObjectBatch
from ....training.field_points import grid_points, intersection_over_union
from ..autoencoder import ShapeAutoencoder
from ..pipeline import HALF_SIDE
from ..scheduler import ShapeScheduler
from .learning import ConditionedDenoiser
from .pool import distance, encoder_input, normalized_images
from .presets import TrainingPreset

QUERIES_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class HeldOut:
    """Held-out objects, their images uint8 [B, views, 3, H, W], and their true inside, bool [B, grid^3]."""

    objects: ObjectBatch
    images: Tensor
    inside: Tensor
    grid: int


@torch.no_grad()
def true_inside(objects: ObjectBatch, grid: int) -> Tensor:
    """Return which cells of the grid lie inside each object, bool [B, grid^3]."""
    pieces = grid_points(grid, objects.center.device, HALF_SIDE).split(QUERIES_AT_ONCE)
    return torch.cat([distance(objects, points.expand(len(objects), -1, -1)) < 0 for points in pieces], dim=1)


@torch.no_grad()
def decoded_inside(autoencoder: ShapeAutoencoder, latents: Tensor, grid: int) -> Tensor:
    """Return which cells of the grid the decoded shapes fill, bool [B, grid^3], of latents [B, N, C]."""
    points = grid_points(grid, latents.device, HALF_SIDE)
    result = []
    for latent in latents:
        context = autoencoder.field_context(autoencoder.decode(latent[None] / autoencoder.config.scale_factor))
        pieces = [autoencoder.query(part[None], context)[0] > 0 for part in points.split(QUERIES_AT_ONCE)]
        result.append(torch.cat(pieces))
    return torch.stack(result)


@torch.no_grad()
def sample_latents(
    model: ConditionedDenoiser, images: Tensor, views: Tensor | None, shape: tuple[int, int], steps: int,
    guidance: float, seed: int,
) -> Tensor:
    """Return latents [B, *shape] of images uint8 [B, V, 3, H, W] by the pipeline's sampler."""
    generator = torch.Generator(images.device).manual_seed(seed)
    latent = torch.randn(len(images), *shape, generator=generator, device=images.device)
    prepared = model.denoiser.prepare_condition(model.condition(normalized_images(images), views))
    times = ShapeScheduler().times(steps).to(images.device)
    for now, after in pairwise(times):
        conditional, unconditional = model.denoiser.guided_velocities(latent, now[None], prepared)
        latent = latent + (after - now) * torch.lerp(unconditional.float(), conditional.float(), guidance)
    return latent


def autoencoder_metrics(
    autoencoder: ShapeAutoencoder, held_out: HeldOut, preset: TrainingPreset, seed: int
) -> dict[str, float]:
    """Return the intersection over union of reconstructed shapes, and the deviation of the latents."""
    generator = torch.Generator(held_out.images.device).manual_seed(seed)
    with torch.no_grad():
        mean = autoencoder.encode(*encoder_input(held_out.objects, preset, generator).arguments()).mean
    scaled = mean * autoencoder.config.scale_factor
    overlap = intersection_over_union(decoded_inside(autoencoder, scaled, held_out.grid), held_out.inside)
    return {
        "iou": float(overlap.mean()),
        "iou_worst": float(overlap.min()),
        "latent_deviation": float(mean.std()),
        "latent_largest": float(mean.abs().max()),
    }


def denoiser_metrics(
    model: ConditionedDenoiser, autoencoder: ShapeAutoencoder, held_out: HeldOut, preset: TrainingPreset,
    steps: int = 25, seed: int = 0,
) -> dict[str, float]:
    """Return the overlap of objects generated from one held-out image, and from all views where they have names."""
    shape = (preset.tokens, model.denoiser.config.latent_width)
    result = {}
    for count in sorted({1, held_out.images.shape[1]}):
        views = torch.arange(count, device=held_out.images.device) if preset.named_views else None
        latents = sample_latents(
            model, held_out.images[:, :count], views, shape, steps, preset.evaluation_guidance, seed
        )
        overlap = intersection_over_union(decoded_inside(autoencoder, latents, held_out.grid), held_out.inside)
        result["iou" if count == 1 else f"iou_{count}_views"] = float(overlap.mean())
    return result
