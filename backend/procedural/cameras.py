# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras that look at the front of an object, and the window that frames it as the pipeline's preparation does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .primitives import ObjectBatch
from .surface import sample_surface

AZIMUTH = 60.0
"""Largest angle from the front (+x), degrees."""
ELEVATION = (5.0, 35.0)
DISTANCE = (5.0, 9.0)
"""Distance of the eye from the origin, in units of the frame: a mild perspective."""
FILLED = 0.9
"""Share of the image that the object's longer side fills (docs/algorithms/partpacker.md, section 2)."""
FRAMING_POINTS = 1024


@dataclass(frozen=True)
class ObjectCameras:
    """One pinhole camera per object: ``eye`` [B, 3]; ``axes`` [B, 3, 3] with rows right, up, forward; a square
    ``window`` [B, 3] = center u, center v, half side in the plane at distance 1 before the eye."""

    eye: Tensor
    axes: Tensor
    window: Tensor

    def __getitem__(self, index: Tensor | slice) -> ObjectCameras:
        return ObjectCameras(self.eye[index], self.axes[index], self.window[index])

    def directions(self, uv: Tensor) -> Tensor:
        """Return unit directions [B, N, 3] through points uv [N, 2] of the window, each in [-1, 1] (v up)."""
        plane = self.window[:, None, :2] + self.window[:, None, 2:] * uv
        depth = torch.ones_like(plane[..., :1])
        rays = torch.einsum("bnk,bki->bni", torch.cat([plane, depth], dim=-1), self.axes)
        return torch.nn.functional.normalize(rays, dim=-1)


def place_cameras(azimuth: Tensor, elevation: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Return eyes [B, 3] and axes [B, 3, 3] of cameras that look at the origin; angles [B] in degrees."""
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    outward = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], dim=-1)
    right = torch.stack([-a.sin(), a.cos(), torch.zeros_like(a)], dim=-1)
    up = torch.linalg.cross(outward, right)
    return outward * distance[:, None], torch.stack([right, up, -outward], dim=1)


def frame(
    batch: ObjectBatch, eye: Tensor, axes: Tensor, generator: torch.Generator, filled: float = FILLED
) -> ObjectCameras:
    """Return cameras whose window centers the object and lets its longer side fill the share ``filled``."""
    points = sample_surface(batch, FRAMING_POINTS, generator) - eye[:, None]
    seen = torch.einsum("bni,bki->bnk", points, axes)
    plane = seen[..., :2] / seen[..., 2:]
    low, high = plane.amin(dim=1), plane.amax(dim=1)
    half = (high - low).amax(dim=1, keepdim=True) / 2.0 / filled
    return ObjectCameras(eye, axes, torch.cat([(low + high) / 2.0, half], dim=1))


def random_cameras(batch: ObjectBatch, generator: torch.Generator) -> ObjectCameras:
    """Return one framed camera per object, within +-60 degrees of the front and 5 to 35 degrees above.

    The frame is off by up to one or two per cent, as it is when a mask's rim is soft.
    """
    numbers = torch.rand(len(batch), 6, generator=generator, device=batch.center.device)
    azimuth = (2.0 * numbers[:, 0] - 1.0) * AZIMUTH
    elevation = ELEVATION[0] + numbers[:, 1] * (ELEVATION[1] - ELEVATION[0])
    distance = DISTANCE[0] + numbers[:, 2] * (DISTANCE[1] - DISTANCE[0])
    cameras = frame(batch, *place_cameras(azimuth, elevation, distance), generator)
    half = cameras.window[:, 2:] * (1.0 + 0.015 * (2.0 * numbers[:, 3:4] - 1.0))
    center = cameras.window[:, :2] + 0.01 * half * (2.0 * numbers[:, 4:] - 1.0)
    return ObjectCameras(cameras.eye, cameras.axes, torch.cat([center, half], dim=1))


def pixel_grid(size: int, device: torch.device) -> Tensor:
    """Return the centers of size x size pixels as uv [size * size, 2] in [-1, 1], row by row from the top."""
    places = (torch.arange(size, device=device) + 0.5) / size * 2.0 - 1.0
    v, u = torch.meshgrid(-places, places, indexing="ij")
    return torch.stack([u, v], dim=-1).reshape(-1, 2)


def cone_slope(window: Tensor, size: int) -> Tensor:
    """Return the radius at distance 1 of the cone around a pixel of a size x size image, [B]."""
    return window[:, 2] * 2.0 / size * math.sqrt(0.5)
