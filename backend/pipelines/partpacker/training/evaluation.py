# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out metrics while training: what the autoencoder keeps of a volume, what the denoiser makes of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ....procedural.primitives import ObjectBatch, union_distance
from ....training.field_points import grid_points, intersection_over_union
from ..autoencoder import PartPackerAutoencoder
from ..image_condition import condition_tokens
from .learning import TIME_SHIFT, ConditionedDenoiser
from .pool import encoder_input
from .presets import TrainingPreset

QUERIES_AT_ONCE = 1 << 16
SPECK = 12
"""Components of fewer cells of a grid of 64 are no part: the cleaning drops components as small.

See docs/algorithms/partpacker.md, section 6.
"""


@dataclass(frozen=True)
class HeldOut:
    """Held-out objects, their images uint8 [B, 3, H, W], the true inside of both volumes bool [B, 2, grid^3]."""

    objects: ObjectBatch
    images: Tensor
    inside: Tensor
    grid: int


@torch.no_grad()
def true_inside(objects: ObjectBatch, grid: int) -> Tensor:
    """Return which cells of the grid lie inside each volume, bool [B, 2, grid^3]."""
    pieces = []
    for points in grid_points(grid, objects.center.device).split(QUERIES_AT_ONCE):
        shared = points.expand(len(objects), -1, -1)
        both = [union_distance(objects.only_volume(volume), shared) < 0 for volume in (0, 1)]
        pieces.append(torch.stack(both, dim=1))
    return torch.cat(pieces, dim=2)


@torch.no_grad()
def decoded_inside(autoencoder: PartPackerAutoencoder, latents: Tensor, grid: int) -> Tensor:
    """Return which cells of the grid the decoded volumes fill, bool [B, 2, grid^3], of latents [B, L, C]."""
    points = grid_points(grid, latents.device)
    result = []
    for latent in latents:
        volumes = torch.stack(latent.chunk(2))
        context = autoencoder.field_context(autoencoder.decode(volumes))
        pieces = [autoencoder.query(part.expand(2, -1, -1), context) > 0 for part in points.split(QUERIES_AT_ONCE)]
        result.append(torch.cat(pieces, dim=1))
    return torch.stack(result)


@torch.no_grad()
def sample_latents(
    model: ConditionedDenoiser, images: Tensor, shape: tuple[int, int], steps: int, guidance: float, seed: int
) -> Tensor:
    """Return latents [B, *shape] of images uint8 [B, 3, H, W] by the pipeline's sampler."""
    generator = torch.Generator(images.device).manual_seed(seed)
    state = torch.randn(len(images), *shape, generator=generator, device=images.device)
    condition = condition_tokens(model.image_encoder, images.float() / 255.0)
    condition = torch.cat([condition, torch.zeros_like(condition)])
    for step in range(steps):
        now, after = _shifted(1.0 - step / steps), _shifted(1.0 - (step + 1) / steps)
        time = torch.full((2 * len(images),), 1000.0 * now, device=images.device)
        with_image, without = model.denoiser(torch.cat([state, state]), time, condition).float().chunk(2)
        state = state - (now - after) * (without + guidance * (with_image - without))
    return state


def _shifted(time: float) -> float:
    return TIME_SHIFT * time / (1.0 + (TIME_SHIFT - 1.0) * time)


def count_parts(inside: Tensor, grid: int) -> np.ndarray:
    """Return the number of connected components of both volumes together, int64 [B], of bool [B, 2, grid^3]."""
    counts = []
    for volumes in inside.cpu().numpy().reshape(-1, 2, grid, grid, grid):
        labeled = [ndimage.label(volume)[0] for volume in volumes]
        counts.append(sum(int((np.bincount(labels.ravel())[1:] >= SPECK).sum()) for labels in labeled))
    return np.array(counts, dtype=np.int64)


def autoencoder_metrics(
    autoencoder: PartPackerAutoencoder, held_out: HeldOut, preset: TrainingPreset, seed: int
) -> dict[str, float]:
    """Return the intersection over union of reconstructed volumes, and mean and deviation of the latents."""
    generator = torch.Generator(held_out.images.device).manual_seed(seed)
    with torch.no_grad():
        volumes = held_out.objects.both_volumes()
        mean = autoencoder.encode(*encoder_input(volumes, preset, generator).arguments()).mean
    inside = decoded_inside(autoencoder, torch.cat(mean.chunk(2), dim=1), held_out.grid)
    overlap = intersection_over_union(inside, held_out.inside)
    return {
        "iou_volumes": float(overlap.mean()),
        "iou_worst": float(overlap.min()),
        "parts_within_one": _within_one(inside, held_out),
        "latent_deviation": float(mean.std()),
        "latent_largest": float(mean.abs().max()),
    }


def denoiser_metrics(
    model: ConditionedDenoiser,
    autoencoder: PartPackerAutoencoder,
    held_out: HeldOut,
    preset: TrainingPreset,
    steps: int = 25,
    seed: int = 0,
) -> dict[str, float]:
    """Return the metrics of objects generated from held-out images: overlaps and the counts of parts."""
    shape = (2 * preset.tokens_per_volume, preset.denoiser["latent_width"])
    latents = sample_latents(model, held_out.images, shape, steps, preset.evaluation_guidance, seed)
    inside = decoded_inside(autoencoder, latents, held_out.grid)
    return {
        "iou_union": float(intersection_over_union(inside.any(dim=1), held_out.inside.any(dim=1)).mean()),
        "iou_volumes": float(intersection_over_union(inside, held_out.inside).mean()),
        "parts_within_one": _within_one(inside, held_out),
    }


def _within_one(inside: Tensor, held_out: HeldOut) -> float:
    counted, true = count_parts(inside, held_out.grid), held_out.objects.part_count.cpu().numpy()
    return float((np.abs(counted - true) <= 1).mean())
