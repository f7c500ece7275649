# SPDX-License-Identifier: GPL-3.0-or-later
"""Position, normal, texture coordinates and cosine of every pixel of a view, and its texel.

See docs/algorithms/flexisyncmvd.md, sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import kernels, surface_kernels
from .cameras import Cameras
from .rasterizer import Fragments
from .uv_mesh import UVMesh


@dataclass(frozen=True)
class ViewGeometry:
    """The surface behind every pixel; everything is 0 on the background.

    Attributes:
        position: float32 [V, H, W, 3], world.
        normal: float32 [V, H, W, 3], world, interpolated and not of unit length.
        uv: float32 [V, H, W, 2].
        cosine: float32 [V, H, W] in [0, 1], between the normal and the direction to the camera's center.
        depth: float32 [V, H, W], a length along the view.
        mask: bool [V, H, W].
    """

    position: Tensor
    normal: Tensor
    uv: Tensor
    cosine: Tensor
    depth: Tensor
    mask: Tensor


def view_geometry(mesh: UVMesh, cameras: Cameras, fragments: Fragments) -> ViewGeometry:
    """Interpolate the mesh over the pixels of its views."""
    shape = fragments.face.shape
    position, normal, uv = (torch.zeros(*shape, size, device=mesh.device) for size in (3, 3, 2))
    cosine = torch.zeros(shape, device=mesh.device)
    pixels = (part.flatten(1, 2) for part in (position, normal, uv, cosine))
    _launch(surface_kernels.interpolate_surface, mesh, cameras, fragments, *pixels)
    return ViewGeometry(position, normal, uv, cosine, fragments.depth, fragments.mask)


def view_texels(
    mesh: UVMesh, cameras: Cameras, fragments: Fragments, texture_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the texel int32 (row * W + column; -1 on the background) and the cosine float32 of every pixel, [V, H, W].

    The texel is the nearest one; texel centers lie at j / (W - 1), and outside of the texture the border's is taken.
    """
    texel = torch.full_like(fragments.face, -1)
    cosine = torch.zeros_like(fragments.depth)
    outputs = (texel.flatten(1), cosine.flatten(1))
    _launch(surface_kernels.find_texels, mesh, cameras, fragments, *texture_size, *outputs)
    return texel, cosine


def _launch(
    kernel: kernels.Kernel, mesh: UVMesh, cameras: Cameras, fragments: Fragments, *arguments: Tensor | int
) -> None:
    kernels.launch(
        kernel,
        tuple(fragments.face.flatten(1).shape),
        *(fragments.face.flatten(1), fragments.barycentric.flatten(1, 2)),
        *(mesh.vertices, mesh.normals, mesh.faces, mesh.uvs, mesh.face_uvs, cameras.centers),
        *arguments,
        device=mesh.device,
    )
