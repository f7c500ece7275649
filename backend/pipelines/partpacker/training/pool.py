# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data on the device: surfaces and fields for the autoencoder, images and latents for the denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....procedural.cameras import random_cameras
from ....procedural.primitives import ObjectBatch, union_distance
from ....procedural.rendering import on_white, render
from ....procedural.surface import farthest_points, sample_salient, sample_surface
from ..autoencoder import PartPackerAutoencoder
from .presets import TrainingPreset

RENDERED_AT_ONCE = (1024, 1 << 26)
"""Images per piece of work, at most, and their numbers, four to a pixel."""
ENCODED_AT_ONCE = (256, 1 << 29)
"""Objects per piece of work, at most, and the numbers of their embedded points: 2 GB in float32, some five times."""


@dataclass(frozen=True)
class EncoderInput:
    """What ``PartPackerAutoencoder.encode`` takes, for V volumes."""

    points: Tensor
    salient_points: Tensor
    query_index: Tensor
    salient_query_index: Tensor

    def arguments(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.points, self.salient_points, self.query_index, self.salient_query_index


def encoder_input(volumes: ObjectBatch, preset: TrainingPreset, generator: torch.Generator) -> EncoderInput:
    """Sample the surfaces of one-volume objects and pick the tokens' starting points."""
    surface = sample_surface(volumes, preset.surface_points, generator)
    salient = sample_salient(volumes, preset.salient_points, generator, surface)
    uniform_tokens, salient_tokens = preset.tokens
    return EncoderInput(
        surface,
        salient,
        farthest_points(surface[:, : preset.token_pool], uniform_tokens),
        farthest_points(salient[:, : preset.token_pool], salient_tokens),
    )


def field_target(volumes: ObjectBatch, points: Tensor, truncation: float) -> Tensor:
    """Return the field [V, P]: truncated signed distance in units of ``truncation``, positive inside.

    See docs/algorithms/partpacker.md, section 1.
    """
    return (-union_distance(volumes, points) / truncation).clamp(-1.0, 1.0)


@torch.no_grad()
def render_pool(objects: ObjectBatch, size: int, views: int, generator: torch.Generator) -> Tensor:
    """Return images of every object on white, uint8 [B, views, 3, size, size]; every other view has a dark rim."""
    images = torch.empty(len(objects), views, 3, size, size, dtype=torch.uint8, device=objects.center.device)
    most, numbers = RENDERED_AT_ONCE
    at_once = min(most, max(1, numbers // (4 * size**2)))
    for start in range(0, len(objects), at_once):
        piece = objects[start : start + at_once]
        for view in range(views):
            rendered = render(piece, random_cameras(piece, generator), size)
            images[start : start + at_once, view] = on_white(rendered, dark_rim=view % 2 == 0)
    return images


@torch.no_grad()
def encode_pool(
    autoencoder: PartPackerAutoencoder, objects: ObjectBatch, preset: TrainingPreset, generator: torch.Generator
) -> Tensor:
    """Return the posterior means of both volumes, volume 0 first, float32 [B, 2 tokens_per_volume, C]."""
    width, latent_width = autoencoder.config.width, autoencoder.config.latent_width
    most, numbers = ENCODED_AT_ONCE
    at_once = min(most, max(1, numbers // (2 * (preset.surface_points + preset.salient_points) * width)))
    latents = torch.empty(len(objects), 2 * preset.tokens_per_volume, latent_width, device=objects.center.device)
    for start in range(0, len(objects), at_once):
        volumes = objects[start : start + at_once].both_volumes()
        mean = autoencoder.encode(*encoder_input(volumes, preset, generator).arguments()).mean
        latents[start : start + at_once] = torch.cat(mean.chunk(2), dim=1)
    return latents


@torch.no_grad()
def fold_normalization(autoencoder: PartPackerAutoencoder, latents: Tensor) -> None:
    """Change the autoencoder in place so that its latents have mean 0 and deviation 1 in every channel.

    The scale and the offset go into the weights on both sides of the latent, so the autoencoder gives the same
    field as before and no scaling factor is left for inference.
    """
    mean = latents.mean(dim=(0, 1))
    deviation = latents.std(dim=(0, 1)).clamp(min=1e-4)
    down, spread, up = autoencoder.proj_down_mean, autoencoder.proj_down_std, autoencoder.proj_up
    up.bias.add_(up.weight @ mean)
    up.weight *= deviation
    down.weight /= deviation[:, None]
    down.bias.sub_(mean).div_(deviation)
    spread.bias.sub_(2.0 * deviation.log())
