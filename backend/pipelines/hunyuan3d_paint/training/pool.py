# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made before training: the fixed views of many objects, and for the denoiser their latents."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ....procedural.primitives import ObjectBatch
from ....procedural.surface import sample_surface
from ....procedural.surface_views import SurfaceViews, cast_views, from_rig, to_rig
from ...common.image_preparation import DEFAULT_CENTERING
from ..control_maps import normal_colors, position_colors
from ..rig import ALWAYS, CANDIDATES, HALF_WIDTH, RADIUS
from ..rotary import position_values, voxel_indices
from .materials import BACKGROUND, Materials, lit_images, material_images
from .presets import TrainingPreset

NEAR_POLE = 89.9
"""Elevation in place of straight above, where the ray caster's cameras turn around."""
FITTED_ON = 2048
ENCODED_AT_ONCE = 32
POSES = tuple((max(-NEAR_POLE, min(NEAR_POLE, pose.elevation)), pose.azimuth) for pose in CANDIDATES[:ALWAYS])
SHOWN = RADIUS / HALF_WIDTH
"""Of the ray caster's units, the radius of the sphere that objects fill."""


@dataclass(frozen=True)
class ViewPool:
    """The six views of each of M objects, object after object; the first of each is the front."""

    views: SurfaceViews

    def __len__(self) -> int:
        return len(self.views) // len(POSES)

    def of(self, objects: Tensor) -> SurfaceViews:
        """All views of some objects, int64 `[K]`."""
        index = objects[:, None] * len(POSES) + torch.arange(len(POSES), device=objects.device)
        return self.views[index.flatten()]


@dataclass(frozen=True)
class LatentPool:
    """M painted objects with K paintings each.

    Attributes:
        latent: float16 `[M, K, P * N, 4, h, h]`, base colors before metallic-roughness images.
        reference: float16 `[M, K, 4, h, h]`, of the lit fronts.
        pixels: uint8 `[M, K, 3, S, S]`, the lit fronts.
        controls: float16 `[M, N, 8, h, h]`, of normal and position maps.
        mask: float16 `[M, N, h, h]`, share of each latent pixel that shows the object.
        voxels: by tokens of a view, int16 `[M, N * L, 3]`.
    """

    latent: Tensor
    reference: Tensor
    pixels: Tensor
    controls: Tensor
    mask: Tensor
    voxels: dict[int, Tensor]

    def __len__(self) -> int:
        return len(self.latent)


@torch.no_grad()
def make_view_pool(objects: ObjectBatch, size: int, generator: torch.Generator) -> ViewPool:
    """Six views of each object, which fills the rig's sphere."""
    points = to_rig(sample_surface(objects, FITTED_ON, generator))
    center = (points.amax(dim=1) + points.amin(dim=1)) / 2
    reach = (points - center[:, None]).norm(dim=2).amax(dim=1)
    centered = replace(objects, center=objects.center - from_rig(center)[:, None])
    count = len(objects)
    every = torch.arange(count, device=reach.device).repeat_interleave(len(POSES))
    return ViewPool(cast_views(centered[every], POSES * count, (SHOWN / reach)[every], size))


def maps_of(views: SurfaceViews) -> tuple[Tensor, Tensor]:
    """Normal and position maps as the pipeline renders them, uint8 `[V, S, S, 3]` each."""
    normal = torch.nn.functional.normalize(views.normal.float(), dim=-1, eps=1e-6)
    position = views.position.float() * (RADIUS / SHOWN)
    covered = views.mask[..., None]
    return tuple(  # type: ignore[return-value]
        (torch.where(covered, colors, BACKGROUND).clamp(0.0, 1.0) * 255.0).byte()
        for colors in (normal_colors(normal), position_colors(position))
    )


def training_images(views: SurfaceViews, generator: torch.Generator) -> Tensor:
    """One image of every kind that the autoencoder meets, in turn, float32 `[V, 3, S, S]` in [0, 1]."""
    materials = Materials.drawn(len(views), generator)
    color, mr = material_images(views, materials)
    maps = [part.permute(0, 3, 1, 2) / 255.0 for part in maps_of(views)]
    kinds = torch.stack([color, mr, lit_images(views, materials), *maps])
    chosen = torch.randint(len(kinds), (len(views),), generator=generator, device=generator.device)
    return kinds[chosen, torch.arange(len(views), device=chosen.device)]


@torch.no_grad()
def encode_pool(
    autoencoder: AutoencoderKL, pool: ViewPool, preset: TrainingPreset, generator: torch.Generator
) -> LatentPool:
    """Paint every object `preset.paintings` times and encode all images; the latents' means."""
    device = generator.device
    pieces = [
        _encode(autoencoder, pool, objects, preset, generator)
        for objects in torch.arange(len(pool), device=device).split(max(1, ENCODED_AT_ONCE // len(POSES)))
    ]
    whole = {item.name: torch.cat([getattr(piece, item.name) for piece in pieces])
             for item in fields(LatentPool) if item.name != "voxels"}
    voxels = {tokens: torch.cat([piece.voxels[tokens] for piece in pieces]) for tokens in pieces[0].voxels}
    return LatentPool(**whole, voxels=voxels)


def _encode(
    autoencoder: AutoencoderKL, pool: ViewPool, objects: Tensor, preset: TrainingPreset, generator: torch.Generator
) -> LatentPool:
    views, count, n = pool.of(objects), len(objects), len(POSES)
    latents, references, pixels = [], [], []
    for _ in range(preset.paintings):
        materials = Materials.drawn(count, generator)
        own = materials[torch.arange(count, device=generator.device).repeat_interleave(n)]
        images = torch.stack([image.unflatten(0, (count, n)) for image in material_images(views, own)], dim=1)
        latents.append(encode(autoencoder, images.flatten(0, 2)).unflatten(0, (count, -1)))
        lit = centered(lit_images(views[::n], materials), views[::n].mask)
        references.append(encode(autoencoder, lit))
        pixels.append((lit * 255.0).round().byte())
    normals, positions = maps_of(views)
    controls = torch.cat([encode(autoencoder, maps.permute(0, 3, 1, 2) / 255.0) for maps in (normals, positions)], 1)
    side = preset.view_size // 8
    mask = torch.nn.functional.avg_pool2d(views.mask[:, None].float(), 8)[:, 0]
    values = position_values(positions)
    levels = [side >> level for level in range(len(preset.unet["block_out_channels"]))]
    voxels = {each**2: voxel_indices(values, each, 8 * each).view(count, -1, 3).short() for each in levels}
    return LatentPool(
        torch.stack(latents, 1), torch.stack(references, 1), torch.stack(pixels, 1),
        controls.unflatten(0, (count, n)), mask.half().unflatten(0, (count, n)), voxels,
    )


def centered(images: Tensor, mask: Tensor) -> Tensor:
    """Images `[N, C, S, S]` with what `mask` (bool `[N, S, S]`) shows in the middle, as a job centers a cut-out."""
    size = mask.shape[-1]
    bounds = []
    for dim in (1, 2):
        seen = mask.any(dim=dim).float()
        first, last = seen.argmax(dim=1), size - 1 - seen.flip(1).argmax(dim=1)
        bounds.append(((first + last + 1.0) / size - 1.0, (last - first + 1.0) / size))
    (x, width), (y, height) = bounds
    zoom = torch.maximum(width, height) / (1.0 - DEFAULT_CENTERING.border)
    zeros = torch.zeros_like(zoom)
    map_back = torch.stack([torch.stack([zoom, zeros, x], dim=1), torch.stack([zeros, zoom, y], dim=1)], dim=1)
    grid = affine_grid(map_back, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def encode(autoencoder: AutoencoderKL, images: Tensor) -> Tensor:
    """Means of the latents of images in [0, 1], float16."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
        mean: Tensor = autoencoder.encode(images * 2.0 - 1.0).latent_dist.mean
    return mean.half()
