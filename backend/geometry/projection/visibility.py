# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texels a view sees."""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from . import kernels, texel_kernels
from .cameras import Cameras
from .rasterizer import Fragments
from .uv_mesh import UVMesh
from .uv_space import dilate


def visible_texels(layout: Fragments, mesh: UVMesh, cameras: Cameras, fragments: Fragments) -> Tensor:
    """Return which texels each view sees, grown by one texel, bool [V, H, W].

    A view sees a point of the surface when that faces it and one of the four pixels around shows its depth, give or
    take what the surface's slope allows.

    Args:
        layout: the surface of every texel, of `rasterize_uvs`; any of its layers may be seen.
        mesh: the mesh of both.
        cameras: of the views.
        fragments: of the V square views.
    """
    height, width = layout.face.shape[1:]
    visible = torch.zeros(len(cameras), height * width, dtype=torch.uint8, device=mesh.device)
    rig = rig_of(cameras, fragments)
    for layer in range(len(layout.face)):
        surface = surface_of(mesh, layout, layer)
        kernels.launch(texel_kernels.find_visible, height * width, surface, rig, visible, device=mesh.device)
    return dilate(visible.bool().view(-1, height, width))


def rig_of(cameras: Cameras, fragments: Fragments) -> texel_kernels.Rig:
    """Cameras and depths for kernels."""
    rig = texel_kernels.Rig()
    rig.rotation = kernels.array(cameras.rotation.contiguous(), wp.mat33)
    rig.translation = kernels.array(cameras.translation, wp.vec3)
    rig.center = kernels.array(cameras.centers, wp.vec3)
    rig.scale, rig.perspective = cameras.scale, cameras.perspective
    rig.depth = kernels.array(fragments.depth, wp.float32)
    return rig


def surface_of(mesh: UVMesh, layout: Fragments, layer: int, rows: slice = slice(None)) -> texel_kernels.TexelSurface:
    """The mesh and one layer of its texture, or of some rows of it, for kernels."""
    surface = texel_kernels.TexelSurface()
    surface.vertices = kernels.array(mesh.vertices, wp.vec3)
    surface.normals = kernels.array(mesh.normals, wp.vec3)
    surface.faces = kernels.array(mesh.faces, wp.int32)
    surface.face = kernels.array(layout.face[layer, rows].flatten(), wp.int32)
    surface.barycentric = kernels.array(layout.barycentric[layer, rows].flatten(0, 1), wp.vec3)
    return surface
