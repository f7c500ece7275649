# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data on the device: grids and field points for the autoencoder, tokens, images for the transformers.

Objects are drawn with their front toward +X, in the cube [-1, 1]³; the pipeline's planes cover the same cube in
Blender's frame, with the front toward -Y. `to_objects` and `to_planes` go between the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....procedural.cameras import random_cameras
from ....procedural.primitives import ObjectBatch, signed_distance, union_distance
from ....procedural.rendering import on_white, render
from ....procedural.surface import sample_surface
from ....training.field_points import grid_points, points_anywhere, points_near

RENDERED_AT_ONCE = 1024
COLOR_REACH = 0.06
"""Points at most this far from the surface have a color."""


def to_objects(points: Tensor) -> Tensor:
    """Points [..., 3] of Blender's frame in that of the procedural objects."""
    x, y, z = points.unbind(-1)
    return torch.stack([-y, x, z], dim=-1)


def to_planes(points: Tensor) -> Tensor:
    """Points [..., 3] of the procedural objects in Blender's frame."""
    x, y, z = points.unbind(-1)
    return torch.stack([y, -x, z], dim=-1)


def field_target(objects: ObjectBatch, points: Tensor, truncation: float) -> Tensor:
    """The signed distance [B, P] of points in Blender's frame, in units of `truncation`, cut to [-1, 1]."""
    return (union_distance(objects, to_objects(points)) / truncation).clamp(-1.0, 1.0)


def surface_colors(objects: ObjectBatch, points: Tensor) -> Tensor:
    """The color [B, P, 3], sRGB, of the primitive that is nearest to points in Blender's frame."""
    nearest = signed_distance(objects, to_objects(points)).argmin(dim=-1)
    return objects.color.gather(1, nearest[..., None].expand(-1, -1, 3)).clamp(0, 1) ** (1 / 2.2)


def field_points(objects: ObjectBatch, count: int, generator: torch.Generator) -> Tensor:
    """Points [B, count, 3] in Blender's frame: half near the surface at two scales, half uniform in the cube."""
    near = count // 2
    close = points_near(to_planes(sample_surface(objects, near, generator)), generator)
    return torch.cat([close, points_anywhere(len(objects), count - near, generator)], dim=1)


def object_grid(objects: ObjectBatch, resolution: int, truncation: float) -> Tensor:
    """What the encoder sees of objects: distance and color float32 [B, 4, R, R, R], indexed [x, y, z]."""
    points = grid_points(resolution, objects.center.device).expand(len(objects), -1, -1)
    distance = field_target(objects, points, max(truncation, 2 / resolution))
    values = torch.cat([distance[..., None], surface_colors(objects, points) * (1 - distance.abs()[..., None])], dim=-1)
    return values.transpose(1, 2).unflatten(2, (resolution,) * 3)


@torch.no_grad()
def render_pool(objects: ObjectBatch, size: int, views: int, generator: torch.Generator) -> Tensor:
    """Images of every object on white, uint8 [B, views, 3, size, size]."""
    images = torch.empty(len(objects), views, 3, size, size, dtype=torch.uint8, device=objects.center.device)
    for start in range(0, len(objects), RENDERED_AT_ONCE):
        piece = objects[start : start + RENDERED_AT_ONCE]
        for view in range(views):
            images[start : start + RENDERED_AT_ONCE, view] = on_white(render(piece, random_cameras(piece, generator),
                                                                             size))
    return images
