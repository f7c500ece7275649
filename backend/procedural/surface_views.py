# SPDX-License-Identifier: GPL-3.0-or-later
"""What orthographic cameras around procedural objects see of their surface, by rays through the exact distances.

The frame is that of the texturing cameras: +Y up, the front toward +Z, the camera 4 away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..geometry.projection import orbit_cameras
from .primitives import ObjectBatch, signed_distance, union_distance
from .rendering import OCCLUSION_REACH, RAYS_AT_ONCE, surface_normals
from .surface import sample_surface

DISTANCE = 4.0
REACH = 1.9
"""Objects lie within this distance of the origin."""
STEPS = 36
SURFACE = 0.004
"""A ray that ends nearer to the surface than this has hit it."""
BACKGROUND = 255
"""The part of a pixel that shows none."""
FRAMING_POINTS, FRAMED_AT_ONCE = 512, 1000


@dataclass(frozen=True)
class SurfaceViews:
    """Images [N, S, S] of the surface behind every pixel, 0 on the background.

    ``position`` float16 [N, S, S, 3] and ``normal`` int8 [N, S, S, 3] (127 is 1) in the rig's frame; ``part`` uint8,
    ``BACKGROUND`` where nothing is; ``openness`` uint8, how much of the sky a place sees; ``backward`` float32 [N, 3],
    the unit vector toward the camera; ``family`` int64 [N].
    """

    position: Tensor
    normal: Tensor
    part: Tensor
    openness: Tensor
    backward: Tensor
    family: Tensor

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: Tensor | slice) -> SurfaceViews:
        return SurfaceViews(*(getattr(self, item.name)[index] for item in fields(self)))

    @property
    def mask(self) -> Tensor:
        """Which pixels show the object, bool [N, S, S]."""
        return self.part != BACKGROUND

    @property
    def depth(self) -> Tensor:
        """Distance along the view, float32 [N, S, S]; 0 on the background."""
        along = torch.einsum("nhwi,ni->nhw", self.position.float(), self.backward)
        return (DISTANCE - along) * self.mask


def to_rig(points: Tensor) -> Tensor:
    """(x, y, z) of the procedural frame -> (y, z, x) of the rig; a rotation."""
    return points.roll(-1, dims=-1)


def from_rig(points: Tensor) -> Tensor:
    """The other way round."""
    return points.roll(1, dims=-1)


def fitting_scale(
    batch: ObjectBatch, poses: Sequence[tuple[float, float]], fill: Tensor, generator: torch.Generator
) -> Tensor:
    """Scales [B] at which each object just reaches ``fill`` [B] in the views from these (elevation, azimuth)."""
    axes = orbit_cameras(poses, device=fill.device).rotation[:, :, :2]
    reach = []
    for start in range(0, len(batch), FRAMED_AT_ONCE):
        points = to_rig(sample_surface(batch[start : start + FRAMED_AT_ONCE], FRAMING_POINTS, generator))
        reach.append(torch.einsum("bni,vij->bvnj", points, axes).abs().amax(dim=(1, 2, 3)))
    return fill / torch.cat(reach)


def cast_views(batch: ObjectBatch, poses: Sequence[tuple[float, float]], scale: Tensor, size: int) -> SurfaceViews:
    """One view of each object: (elevation, azimuth) in degrees, the object enlarged by ``scale`` [B]."""
    cameras = orbit_cameras(poses, device=scale.device)
    count = max(1, RAYS_AT_ONCE.get(scale.device.type, RAYS_AT_ONCE["cpu"]) // size**2)
    pieces = [
        _cast(batch[start : start + count], cameras.rotation[start : start + count], scale[start : start + count], size)
        for start in range(0, len(batch), count)
    ]
    return SurfaceViews(*(torch.cat([getattr(piece, item.name) for piece in pieces]) for item in fields(SurfaceViews)))


def _cast(batch: ObjectBatch, rotation: Tensor, scale: Tensor, size: int) -> SurfaceViews:
    origin, direction = _rays(rotation, scale, size)
    t = torch.zeros_like(origin[..., 0])
    distance = union_distance(batch, origin)
    for _ in range(STEPS):
        t = (t + distance).clamp(max=2 * REACH)
        distance = union_distance(batch, origin + t[..., None] * direction)
    hit, points = distance < SURFACE, origin + t[..., None] * direction
    nearest = signed_distance(batch, points).argmin(dim=-1)
    normal = surface_normals(batch, points)
    openness = (union_distance(batch, points + OCCLUSION_REACH * normal) / OCCLUSION_REACH).clamp(0.0, 1.0)
    part = torch.where(hit, batch.part.gather(1, nearest), BACKGROUND)

    def image(values: Tensor, kind: torch.dtype) -> Tensor:
        kept = values.where(hit[..., None] if values.ndim == 3 else hit, torch.zeros_like(values))
        return kept.to(kind).view(len(batch), size, size, *values.shape[2:])

    return SurfaceViews(
        image(to_rig(points) * scale[:, None, None], torch.float16),
        image((to_rig(normal) * 127).round(), torch.int8),
        part.to(torch.uint8).view(len(batch), size, size),
        image((openness * 255).round(), torch.uint8),
        -rotation[:, :, 2],
        batch.family,
    )


def _rays(rotation: Tensor, scale: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions [B, size * size, 3] in the objects' frame and scale; x of a view points left."""
    places = 1.0 - (torch.arange(size, device=scale.device) * 2.0 + 1.0) / size
    y, x = torch.meshgrid(places, places, indexing="ij")
    plane = torch.stack([x, y], dim=-1).reshape(-1, 2)
    start = torch.einsum("nj,bij->bni", plane, rotation[:, :, :2]) / scale[:, None, None]
    origin = start - REACH * rotation[:, None, :, 2]
    return from_rig(origin).contiguous(), from_rig(rotation[:, None, :, 2])
