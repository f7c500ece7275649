# SPDX-License-Identifier: GPL-3.0-or-later
"""The views' colors in the objects' textures, one object after the other: memory, and the wait for a cancel, are those
of one texture, however many objects are painted together.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..contract.reports import CountReport, ignore
from ..geometry.projection import Cameras, Fragments, UVMesh, bake_texels, rasterize_uvs, rasterize_views
from .squares import square_mesh
from .surface_fill import fill_surface
from .texel_graph import texel_positions
from .view_bake import trusted_pixels

EXPONENT = 6.0
UNSEEN = 0.5
"""Gray of an object that no view sees."""
MARGIN = 4
"""Pixels along outlines that are left out, half of what one latent decodes to: they mix the surface with the background
or with what lies behind it."""
REACH = 2 * MARGIN
"""Pixels. A texel seen only along outlines is filled from the surface around it, if that is seen better this near; a
part so thin that all of it is outline keeps what its pixels show."""


def bake_squares(
    mesh: UVMesh,
    cameras: Cameras,
    views: Tensor,
    size: tuple[int, int],
    report: CountReport = ignore,
    check: Callable[[], None] = ignore,
) -> Tensor:
    """Views [V, 3, S, S] in a strip of square textures, float32 [3, H, W] in [0, 1]; `size` is H and W.

    A square's texels that no view sees are filled from the surface around them, across seams.
    """
    side, squares, views = size[0], size[1] // size[0], views.to(mesh.device)
    report(0, squares)
    shown = rasterize_views(mesh, cameras, views.shape[-1])
    inner = replace(shown, depth=shown.depth * trusted_pixels(shown, MARGIN))
    textures = []
    for number in range(squares):
        textures.append(_baked(square_mesh(mesh, squares, number), cameras, views, side, (inner, shown), check))
        report(number + 1, squares)
    return torch.cat(textures, dim=2)


def _baked(
    part: UVMesh,
    cameras: Cameras,
    views: Tensor,
    side: int,
    shown: tuple[Fragments, Fragments],
    check: Callable[[], None],
) -> Tensor:
    """One square [3, S, S]; `shown` is what the views show without the pixels along outlines, and with them."""
    inner, outer = (bake_texels(part, cameras, views, side, EXPONENT, pixels, check) for pixels in shown)
    if not outer.weight.any():
        return torch.full_like(outer.texture, UNSEEN)
    layout = rasterize_uvs(part, (side, side), layers=1)
    sure = inner.weight > 0
    thin = (outer.weight > 0) & ~sure
    thin[thin.clone()] = _far(texel_positions(part, layout), thin, sure, REACH * 2.0 / views.shape[-1])
    colors = torch.where(sure, inner.texture, outer.texture).permute(1, 2, 0)
    return fill_surface(part, colors, sure | thin, layout, check).permute(2, 0, 1).clamp(0, 1)


def _far(position: Tensor, texels: Tensor, sources: Tensor, reach: float) -> Tensor:
    """Which of the `texels` (bool [S, S]) have none of the `sources` within `reach`, world units, bool [N]."""
    if not sources.any():
        return torch.ones(int(texels.sum()), dtype=torch.bool, device=texels.device)
    tree = cKDTree(position[sources].cpu().numpy())
    distance, _ = tree.query(position[texels].cpu().numpy(), distance_upper_bound=reach)
    return torch.from_numpy(distance > reach).to(texels.device)
