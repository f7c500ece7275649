# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking from the texture's side: every texel looks up its point of the surface in the views that see it.

`Projector` goes from pixels to texels, as the published pipeline does: what a texture holds beyond the number of pixels
is flat cells. This way colors between pixels are bilinear, so that textures may be larger than views, and a view has a
say only where its pixels show that very depth. For colors: interpolated latents would lose their noise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from . import kernels, texel_kernels
from .baked import GRAZING_COSINE, Baked
from .cameras import Cameras
from .rasterizer import Fragments, rasterize_views
from .uv_mesh import UVMesh
from .uv_space import rasterize_uvs
from .visibility import rig_of, surface_of
from .voronoi import nearest_seeds

TEXELS_AT_ONCE = 1 << 21


def bake_texels(
    mesh: UVMesh,
    cameras: Cameras,
    views: Tensor,
    texture_size: int | tuple[int, int],
    exponent: float,
    shown: Fragments | None = None,
    check: Callable[[], None] = lambda: None,
) -> Baked:
    """Blend square color views [V, 3, S, S] into one texture, in float32.

    Weights are as in `Projector.bake`; texel centers lie at (j + 0.5) / W, where renderers have them. Of overlapping
    charts one face is taken. Texels that no view sees take the nearest seen one's color.

    Args:
        shown: what the views show, of `rasterize_views`, if that is more than the mesh; else it is found here.
        check: called between parts of the work; may raise to end it.
    """
    height, width = (texture_size, texture_size) if isinstance(texture_size, int) else texture_size
    layout = rasterize_uvs(mesh, (height, width), layers=1)
    rig = rig_of(cameras, shown or rasterize_views(mesh, cameras, views.shape[-1]))
    images = views.float().permute(0, 2, 3, 1).contiguous()
    color = torch.zeros(height, width, 3, device=mesh.device)
    weight = torch.zeros(height, width, device=mesh.device)
    rows = max(1, TEXELS_AT_ONCE // width)
    for first in range(0, height, rows):
        check()
        band = slice(first, first + rows)
        kernels.launch(
            texel_kernels.gather_views,
            weight[band].numel(),
            *(surface_of(mesh, layout, 0, band), rig, images, exponent or 1.0, GRAZING_COSINE),
            *(color[band].view(-1, 3), weight[band].view(-1)),
            device=mesh.device,
        )
    check()
    color = color.view(-1, 3)
    if (weight > 0).any():
        color = color[nearest_seeds(weight > 0).flatten().long()]
    return Baked(color.T.reshape(3, height, width), weight)
