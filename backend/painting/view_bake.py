# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the views on the surface: each texel looks its point up in the views, the best ones first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..contract.reports import ignore
from ..geometry.projection import Cameras, Fragments, UVMesh
from ..geometry.projection.view_lookup import LookupPoints, look_up
from .view_blend import ViewBlend

DEPTH_STEP = 0.05
"""Difference of neighboring pixels' depths, in world units, from which one part of the object is before another."""


@dataclass(frozen=True)
class BakeSettings:
    """How views are blended.

    Attributes:
        exponent: how much more a view counts that faces the surface.
        steepest: the largest angle between a face's normal and the view at which colors are taken, in degrees.
        margin: pixels that are left out along outlines: what an image shows there may belong to either side.
    """

    exponent: float = 4.0
    steepest: float = 75.0
    margin: int = 4


def trusted_pixels(shown: Fragments, margin: int) -> Tensor:
    """Pixels that surely show the surface, bool `[V, S, S]`: not near the background, nor where depth jumps.

    What lies beyond the image's border counts as the object.
    """
    covered, depth = shown.mask, shown.depth
    doubtful = ~covered
    for dim in (1, 2):
        length = depth.shape[dim]
        before, after = depth.narrow(dim, 0, length - 1), depth.narrow(dim, 1, length - 1)
        both = covered.narrow(dim, 0, length - 1) & covered.narrow(dim, 1, length - 1)
        jump = both & ((after - before).abs() > DEPTH_STEP)
        doubtful.narrow(dim, 0, length - 1).logical_or_(jump)
        doubtful.narrow(dim, 1, length - 1).logical_or_(jump)
    if not margin:
        return ~doubtful
    return max_pool2d(doubtful[:, None].float(), 2 * margin + 1, 1, margin)[:, 0] == 0


def bake_views(
    mesh: UVMesh,
    cameras: Cameras,
    shown: Fragments,
    images: Tensor,
    weights: Sequence[float],
    layout: Fragments,
    settings: BakeSettings,
    check: Callable[[], None] = ignore,
) -> tuple[Tensor, Tensor]:
    """Blend the views' images in a texture, float32 `[H, W, C]`; and where one was seen, bool `[H, W]`.

    Args:
        mesh: with the UVs of the texture.
        cameras: V of them.
        shown: what they show, at the size of the images; may be of more faces than the mesh has.
        images: `[V, S, S, C]`, float in [0, 1] or uint8.
        weights: of the views; in order, a view that adds next to nothing new is left out.
        layout: of `rasterize_uvs`, its first layer counts.
        settings: see there.
        check: called before each view; may raise to end it.
    """
    face = layout.face[0]
    covered = face >= 0
    points = LookupPoints(mesh, face[covered], layout.barycentric[0][covered])
    blend = ViewBlend(len(points.face), images.shape[-1], settings.exponent, mesh.device)
    trusted = trusted_pixels(shown, settings.margin)
    steepest = math.cos(math.radians(settings.steepest))
    for view, weight in enumerate(weights):
        check()
        image = images[view].float() if images.is_floating_point() else images[view] / 255.0
        colors, cosine = look_up(points, cameras, shown, view, image, trusted[view], steepest)
        blend.add(colors, cosine, weight)
    colors, painted = blend.result()
    texture = torch.zeros(*face.shape, images.shape[-1], device=mesh.device)
    texture[covered] = colors
    mask = torch.zeros_like(covered)
    mask[covered] = painted
    return texture, mask
