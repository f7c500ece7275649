# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of procedural objects: sphere tracing of their exact distances, in batches, on CPU or GPU.

Coarse cones first find where the rays of a block of pixels may start; then every pixel's ray runs a few exact steps.
Silhouettes are smooth because a ray that misses keeps its closest approach in pixels as coverage.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .cameras import ObjectCameras, cone_slope, pixel_grid
from .primitives import FAR, ObjectBatch, signed_distance, union_distance

LARGEST_BLOCK = 8
"""Side of the block of pixels that shares one coarse cone, or the next smaller divisor of the image's side."""
CONE_STEPS, RAY_STEPS = 24, 28
ENCLOSING_RADIUS = 1.7
"""No object reaches farther from the origin (longest side 1.9: half the diagonal is at most 1.65)."""
OCCLUSION_REACH = 0.14
KEY_LIGHT = (-0.45, 0.6, -0.65)
"""Direction to the key light in the camera's right, up, forward."""
RAYS_AT_ONCE = {"cpu": 1 << 15, "cuda": 1 << 21}
"""Rays per piece of work, all objects together: bounds the memory to some 10 GB on a GPU."""


def render(batch: ObjectBatch, cameras: ObjectCameras, size: int, supersampling: int = 1) -> Tensor:
    """Return images uint8 [B, size, size, 4]: sRGB and straight alpha on a transparent background."""
    limit = RAYS_AT_ONCE.get(batch.center.device.type, RAYS_AT_ONCE["cpu"])
    objects = max(1, limit // (size * supersampling) ** 2)
    pieces = [
        _render_piece(batch[start : start + objects], cameras[start : start + objects], size * supersampling, limit)
        for start in range(0, len(batch), objects)
    ]
    premultiplied = torch.cat(pieces).view(len(batch), size, supersampling, size, supersampling, 4).mean(dim=(2, 4))
    color, alpha = premultiplied[..., :3], premultiplied[..., 3:]
    straight = torch.cat([(color / alpha.clamp(min=1e-6)).clamp(0.0, 1.0) ** (1.0 / 2.2), alpha], dim=-1)
    return (straight * 255.0 + 0.5).to(torch.uint8)


def on_white(images: Tensor, dark_rim: bool = False) -> Tensor:
    """Return RGBA uint8 [B, H, W, 4] composited on white, uint8 [B, 3, H, W]: what the condition sees.

    With ``dark_rim`` the color is mixed with black where the alpha is partial, which is what shrinking an image with
    a black transparent background does to it (docs/algorithms/partpacker.md, section 2).
    """
    color, alpha = images[..., :3].float(), images[..., 3:].float() / 255.0
    if dark_rim:
        color = color * alpha
    return (color * alpha + 255.0 * (1.0 - alpha) + 0.5).to(torch.uint8).permute(0, 3, 1, 2).contiguous()


def _render_piece(batch: ObjectBatch, cameras: ObjectCameras, size: int, limit: int) -> Tensor:
    """Return premultiplied linear RGBA [B, size, size, 4]."""
    uv = pixel_grid(size, batch.center.device)
    block = max(side for side in range(1, LARGEST_BLOCK + 1) if size % side == 0)
    coarse = size // block
    start = _cone_march(batch, cameras, pixel_grid(coarse, uv.device), cone_slope(cameras.window, coarse))
    start = start.view(-1, 1, coarse, coarse)
    start = torch.nn.functional.interpolate(start, scale_factor=float(block), mode="nearest").flatten(1)
    rays = max(1, limit // len(batch))
    slope = cone_slope(cameras.window, size)
    pieces = [
        _shade_rays(batch, cameras, cameras.directions(part), first, slope)
        for part, first in zip(uv.split(rays), start.split(rays, dim=1), strict=True)
    ]
    return torch.cat(pieces, dim=1).view(len(batch), size, size, 4)


def _cone_march(batch: ObjectBatch, cameras: ObjectCameras, uv: Tensor, slope: Tensor) -> Tensor:
    """Return how far the cone around each ray is surely empty, [B, N]."""
    directions = cameras.directions(uv)
    distance = cameras.eye.norm(dim=1)[:, None]
    t = (distance - ENCLOSING_RADIUS).expand(-1, uv.shape[0])
    for _ in range(CONE_STEPS):
        room = union_distance(batch, cameras.eye[:, None] + t[..., None] * directions) - slope[:, None] * t
        t = (t + 0.95 * room.clamp(min=0.0)).minimum(distance + ENCLOSING_RADIUS)
    return t


def _shade_rays(batch: ObjectBatch, cameras: ObjectCameras, directions: Tensor, t: Tensor, slope: Tensor) -> Tensor:
    """Return premultiplied linear RGBA [B, N, 4] of rays that start at distances t [B, N]."""
    eye = cameras.eye[:, None]
    end = cameras.eye.norm(dim=1)[:, None] + ENCLOSING_RADIUS
    closest, place = torch.full_like(t, FAR), t
    for _ in range(RAY_STEPS):
        distance = union_distance(batch, eye + t[..., None] * directions)
        apart = distance / (t * slope[:, None])
        nearer = apart < closest
        closest, place = torch.where(nearer, apart, closest), torch.where(nearer, t, place)
        t = (t + distance).minimum(end)
    alpha = (1.0 - 0.7 * closest.clamp(min=0.0)).clamp(0.0, 1.0)
    points = eye + place[..., None] * directions
    return torch.cat([_shade(batch, cameras, points, directions) * alpha[..., None], alpha[..., None]], dim=-1)


def _shade(batch: ObjectBatch, cameras: ObjectCameras, points: Tensor, directions: Tensor) -> Tensor:
    """Return the linear color [B, N, 3] of surface points: sky light, key light, occlusion, a faint highlight."""
    nearest = signed_distance(batch, points).argmin(dim=-1)
    albedo = batch.color.gather(1, nearest[..., None].expand(-1, -1, 3))
    normal = surface_normals(batch, points)
    key = torch.nn.functional.normalize(torch.tensor(KEY_LIGHT, device=points.device), dim=0)
    key = torch.einsum("k,bki->bi", key, cameras.axes)[:, None]
    lit = (normal * key).sum(dim=-1).clamp(min=0.0)
    sky = 0.5 + 0.5 * normal[..., 2]
    above = union_distance(batch, points + OCCLUSION_REACH * normal)
    open_sky = (above / OCCLUSION_REACH).clamp(0.0, 1.0) * 0.55 + 0.45
    halfway = torch.nn.functional.normalize(key - directions, dim=-1)
    highlight = 0.12 * (normal * halfway).sum(dim=-1).clamp(min=0.0) ** 40
    light = (0.16 + 0.34 * sky) * open_sky + 0.75 * lit * (0.5 + 0.5 * open_sky)
    return (albedo * light[..., None] + highlight[..., None]).clamp(0.0, 1.0)


def surface_normals(batch: ObjectBatch, points: Tensor) -> Tensor:
    """Return unit outward normals [B, N, 3] by differences over the corners of a tetrahedron."""
    corners = torch.tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], device=points.device) * 1e-3
    slopes = sum(corner * union_distance(batch, points + corner)[..., None] for corner in corners)
    return torch.nn.functional.normalize(slopes, dim=-1)
