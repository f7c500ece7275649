# SPDX-License-Identifier: GPL-3.0-or-later
"""What a single view shows at points of the surface, in any number of channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import warp as wp
from torch import Tensor

from . import kernels, lookup_kernels, texel_kernels
from .cameras import Cameras
from .rasterizer import Fragments
from .uv_mesh import UVMesh
from .visibility import rig_of


@dataclass(frozen=True)
class LookupPoints:
    """T points on a mesh: int32 `[T]` face and float32 `[T, 3]` barycentrics."""

    mesh: UVMesh
    face: Tensor
    barycentric: Tensor

    def for_kernels(self) -> texel_kernels.TexelSurface:
        """The mesh and the points as kernels read them."""
        surface = texel_kernels.TexelSurface()
        surface.vertices = kernels.array(self.mesh.vertices, wp.vec3)
        surface.normals = kernels.array(self.mesh.normals, wp.vec3)
        surface.faces = kernels.array(self.mesh.faces, wp.int32)
        surface.face = kernels.array(self.face, wp.int32)
        surface.barycentric = kernels.array(self.barycentric, wp.vec3)
        return surface


def look_up(
    points: LookupPoints,
    cameras: Cameras,
    shown: Fragments,
    view: int,
    image: Tensor,
    trusted: Tensor,
    steepest: float,
) -> tuple[Tensor, Tensor]:
    """Colors float32 `[T, C]` and cosines float32 `[T]` of points in one view; both 0 where it does not see them.

    A view sees a point if it faces the point's face and one of the four pixels around shows its depth, give or take
    what the surface's slope allows. Between such pixels colors are bilinear.

    Args:
        points: on the mesh that the views show.
        cameras: of all views.
        shown: by all views, square.
        view: which one.
        image: float32 `[S, S, C]`, its colors.
        trusted: bool `[S, S]`, its pixels that may be used.
        steepest: the smallest cosine between the face's normal and the view at which colors are taken.
    """
    device = points.face.device
    colors = torch.zeros(len(points.face), image.shape[-1], device=device)
    cosine = torch.zeros(len(points.face), device=device)
    if len(points.face):
        kernels.launch(
            lookup_kernels.look_up,
            len(points.face),
            *(points.for_kernels(), rig_of(cameras, shown), view, image.contiguous()),
            *(trusted.to(torch.uint8).contiguous(), steepest, colors, cosine),
            device=device,
        )
    return colors, cosine
