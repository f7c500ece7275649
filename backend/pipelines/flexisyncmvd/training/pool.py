# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made before training: views of many objects, and for the denoiser their paintings' latents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from ....procedural.primitives import ObjectBatch
from ....procedural.surface_views import SurfaceViews, cast_views, fitting_scale
from ..backgrounds import COLORS as BACKGROUNDS
from ..backgrounds import color_images
from ..conditioning import depth_image, smooth
from ..prompts import DIRECTIONS, positive_direction
from ..rig import CameraRig, Pose
from .paint import painted, random_paint

ON_RIG = 0.6
"""Share of the views from the rig's own cameras; the others stand between them."""
FILL = (0.8, 0.95)
"""How much of the image an object fills in the view that it fills most."""
ENCODED_AT_ONCE = 64


@dataclass(frozen=True)
class ViewPool:
    """One view of each object, and the index into DIRECTIONS of the side that it shows, int64 [N]."""

    views: SurfaceViews
    direction: Tensor

    def __len__(self) -> int:
        return len(self.views)


@dataclass(frozen=True)
class LatentPool:
    """Paintings of N views, K each: ``latent`` float16 [N, K, 4, s, s], indices ``color`` and ``material`` [N, K];
    of the views: ``depth`` images uint8 [N, 8 s, 8 s], ``mask`` bool [N, s, s], ``family`` and ``direction`` [N].
    ``background`` float32 [14, 4, s, s]: the latents of the plain backgrounds."""

    latent: Tensor
    color: Tensor
    material: Tensor
    depth: Tensor
    mask: Tensor
    family: Tensor
    direction: Tensor
    background: Tensor

    def __len__(self) -> int:
        return len(self.latent)


def random_poses(count: int, generator: torch.Generator) -> list[Pose]:
    """Poses of the rig, and some between them."""
    numbers = torch.rand(count, 3, generator=generator, device=generator.device).cpu()
    rig = CameraRig().poses
    return [
        rig[int(which * len(rig))] if chosen < ON_RIG else Pose(45.0 * float(high) - 10.0, 360.0 * float(which))
        for chosen, which, high in numbers.double()
    ]


@torch.no_grad()
def make_view_pool(objects: ObjectBatch, size: int, generator: torch.Generator) -> ViewPool:
    """One random view of each object."""
    device = objects.center.device
    poses = random_poses(len(objects), generator)
    rig = [(pose.elevation, pose.azimuth) for pose in CameraRig().poses]
    fill = FILL[0] + (FILL[1] - FILL[0]) * torch.rand(len(objects), generator=generator, device=device)
    scale = fitting_scale(objects, rig, fill, generator)
    views = cast_views(objects, [(pose.elevation, pose.azimuth) for pose in poses], scale, size)
    sides = [DIRECTIONS.index(positive_direction(pose)) for pose in poses]
    return ViewPool(views, torch.tensor(sides, device=device))


def random_backgrounds(count: int, generator: torch.Generator) -> Tensor:
    """Half of the rig's plain colors, half any; [N, 3] in [0, 1]."""
    device = generator.device
    plain = torch.tensor(list(BACKGROUNDS.values()), device=device) / 2 + 0.5
    chosen = plain[torch.randint(len(plain), (count,), generator=generator, device=device)]
    numbers = torch.rand(count, 4, generator=generator, device=device)
    return torch.where(numbers[:, 3:] < 0.5, chosen, numbers[:, :3])


def hint(views: SurfaceViews) -> Tensor:
    """The depth images as the pipeline makes them, float32 [N, 3, S, S].

    See docs/algorithms/flexisyncmvd.md, section 5.
    """
    return smooth(depth_image(views), views.part.shape[-1])


@torch.no_grad()
def encode_pool(
    autoencoder: AutoencoderKL, pool: ViewPool, paintings: int, generator: torch.Generator
) -> LatentPool:
    """Paint every view ``paintings`` times and encode it; the latents' means."""
    size = pool.views.part.shape[-1]
    pieces = [
        _encode(autoencoder, pool.views[start : start + ENCODED_AT_ONCE], paintings, generator)
        for start in range(0, len(pool), ENCODED_AT_ONCE)
    ]
    latent, color, material, depth, mask = (torch.cat(column) for column in zip(*pieces, strict=True))
    images = color_images(size, latent.device, torch.float32)
    background = autoencoder.encode(images).latent_dist.mean
    return LatentPool(latent, color, material, depth, mask, pool.views.family, pool.direction, background)


def _encode(
    autoencoder: AutoencoderKL, views: SurfaceViews, paintings: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    latents, colors, materials = [], [], []
    for _ in range(paintings):
        paint = random_paint(len(views), generator)
        images = painted(views, paint, random_backgrounds(len(views), generator))
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            latents.append(autoencoder.encode(images * 2.0 - 1.0).latent_dist.mean.half())
        colors.append(paint.color)
        materials.append(paint.material)
    depth = (hint(views)[:, 0] * 255.0).round().to(torch.uint8)
    mask = functional.avg_pool2d(views.mask.float()[:, None], 8)[:, 0] > 0.5
    return torch.stack(latents, 1), torch.stack(colors, 1), torch.stack(materials, 1), depth, mask
