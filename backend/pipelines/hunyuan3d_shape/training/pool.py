# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data on the device: surfaces and fields for the autoencoder, images and latents for the denoiser.

Procedural objects have z up, the front toward +x and a longest side of 1.9; the models have y up, the front toward +z
and a longest side of 1.9998. Everything that leaves this module is in the models' frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....procedural.assembly import LONGEST_SIDE as DRAWN_SIDE
from ....procedural.cameras import DISTANCE, ELEVATION, ObjectCameras, frame, place_cameras
from ....procedural.primitives import ObjectBatch, union_distance
from ....procedural.rendering import on_white, render, surface_normals
from ....procedural.surface import farthest_points, sample_salient, sample_surface
from ..autoencoder import ShapeAutoencoder
from ..image import CENTERING
from ..surface_points import LONGEST_SIDE, POINTS_PER_TOKEN
from .presets import TrainingPreset

SCALE = LONGEST_SIDE / DRAWN_SIDE
FRONT_AZIMUTH = 60.0
"""Largest angle between the front view and the object's front, degrees. The other views follow in quarter turns."""
RENDERED_AT_ONCE = (1024, 1 << 26)
"""Images per piece of work, at most, and their numbers, four to a pixel."""
ENCODED_AT_ONCE = (256, 1 << 29)
"""Objects per piece of work, at most, and the numbers of their embedded points: 2 GB in float32, some five times."""


def to_model(drawn: Tensor) -> Tensor:
    """Positions or directions `[..., 3]` of the drawn objects' axes in the models': (x, y, z) -> (y, z, x)."""
    return drawn[..., [1, 2, 0]]


def to_drawn(model: Tensor) -> Tensor:
    """The way back."""
    return model[..., [2, 0, 1]]


def distance(objects: ObjectBatch, points: Tensor) -> Tensor:
    """Signed distance [B, P], negative inside, of points [B, P, 3]."""
    return SCALE * union_distance(objects, to_drawn(points) / SCALE)


@dataclass(frozen=True)
class EncoderInput:
    """What ``ShapeAutoencoder.encode`` takes, for B objects."""

    points: Tensor
    features: Tensor
    query_index: Tensor

    def arguments(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.points, self.features, self.query_index


def encoder_input(objects: ObjectBatch, preset: TrainingPreset, generator: torch.Generator) -> EncoderInput:
    """Sample the surfaces as ``prepare_surface`` does and pick the tokens' starting points."""
    sharp_tokens = int(preset.tokens * preset.sharp_share)
    uniform_tokens = preset.tokens - sharp_tokens
    uniform = sample_surface(objects, POINTS_PER_TOKEN * uniform_tokens, generator)
    index = farthest_points(uniform, uniform_tokens)
    drawn = uniform
    if sharp_tokens:
        sharp = sample_salient(objects, POINTS_PER_TOKEN * sharp_tokens, generator, _repeated(uniform, sharp_tokens))
        index = torch.cat([index, farthest_points(sharp, sharp_tokens) + uniform.shape[1]], dim=1)
        drawn = torch.cat([uniform, sharp], dim=1)
    label = (torch.arange(drawn.shape[1], device=drawn.device) >= uniform.shape[1]).float()
    normals = to_model(surface_normals(objects, drawn))
    features = torch.cat([normals, label[None, :, None].expand(len(drawn), -1, 1)], dim=-1)
    return EncoderInput(SCALE * to_model(drawn), features, index)


def _repeated(points: Tensor, tokens: int) -> Tensor:
    """At least as many points as so many tokens need."""
    return points.repeat(1, -(-POINTS_PER_TOKEN * tokens // points.shape[1]), 1)


def field_target(objects: ObjectBatch, points: Tensor, truncation: float) -> Tensor:
    """Return the field [B, P]: truncated signed distance in units of ``truncation``, positive inside."""
    return (-distance(objects, points) / truncation).clamp(-1.0, 1.0)


def view_cameras(objects: ObjectBatch, views: int, generator: torch.Generator) -> list[ObjectCameras]:
    """Return framed cameras of the first ``views`` of front, left, back, right, a quarter turn apart.

    The frame is off by up to one or two per cent, as it is when a mask's rim is soft.
    """
    device = objects.center.device
    front = FRONT_AZIMUTH * (2.0 * torch.rand(len(objects), generator=generator, device=device) - 1.0)
    cameras = []
    for view in range(views):
        numbers = torch.rand(len(objects), 5, generator=generator, device=device)
        elevation = ELEVATION[0] + numbers[:, 0] * (ELEVATION[1] - ELEVATION[0])
        far = DISTANCE[0] + numbers[:, 1] * (DISTANCE[1] - DISTANCE[0])
        placed = frame(objects, *place_cameras(front + 90.0 * view, elevation, far), generator,
                       1.0 - CENTERING.border)
        half = placed.window[:, 2:] * (1.0 + 0.015 * (2.0 * numbers[:, 2:3] - 1.0))
        center = placed.window[:, :2] + 0.01 * half * (2.0 * numbers[:, 3:] - 1.0)
        cameras.append(ObjectCameras(placed.eye, placed.axes, torch.cat([center, half], dim=1)))
    return cameras


@torch.no_grad()
def render_pool(objects: ObjectBatch, size: int, views: int, generator: torch.Generator) -> Tensor:
    """Return images of every object on white, uint8 [B, views, 3, size, size], in the order of the views' numbers."""
    images = torch.empty(len(objects), views, 3, size, size, dtype=torch.uint8, device=objects.center.device)
    most, numbers = RENDERED_AT_ONCE
    at_once = min(most, max(1, numbers // (4 * size**2)))
    for start in range(0, len(objects), at_once):
        piece = objects[start : start + at_once]
        for view, cameras in enumerate(view_cameras(piece, views, generator)):
            images[start : start + at_once, view] = on_white(render(piece, cameras, size))
    return images


def normalized_images(images: Tensor) -> Tensor:
    """uint8 images to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1.0


@torch.no_grad()
def encode_pool(
    autoencoder: ShapeAutoencoder, objects: ObjectBatch, preset: TrainingPreset, generator: torch.Generator
) -> Tensor:
    """Return the posterior means, float32 [B, tokens, C]."""
    width, latent_width = autoencoder.config.width, autoencoder.config.latent_width
    most, numbers = ENCODED_AT_ONCE
    at_once = min(most, max(1, numbers // (POINTS_PER_TOKEN * preset.tokens * width)))
    latents = torch.empty(len(objects), preset.tokens, latent_width, device=objects.center.device)
    for start in range(0, len(objects), at_once):
        piece = objects[start : start + at_once]
        latents[start : start + at_once] = autoencoder.encode(
            *encoder_input(piece, preset, generator).arguments()
        ).mean
    return latents


@torch.no_grad()
def fold_normalization(autoencoder: ShapeAutoencoder, latents: Tensor) -> None:
    """Change the autoencoder in place so that its latents have mean 0 and deviation 1 in every channel.

    The scale and the offset go into the weights on both sides of the latent, so the field stays as it was and the
    scale factor is 1.
    """
    mean = latents.mean(dim=(0, 1))
    deviation = latents.std(dim=(0, 1)).clamp(min=1e-4)
    channels = len(mean)
    down, up = autoencoder.pre_kl, autoencoder.post_kl
    up.bias.add_(up.weight @ mean)
    up.weight *= deviation
    down.weight[:channels] /= deviation[:, None]
    down.bias[:channels].sub_(mean).div_(deviation)
    down.bias[channels:] -= 2.0 * deviation.log()
    autoencoder.register_to_config(scale_factor=1.0)
