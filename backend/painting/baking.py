# SPDX-License-Identifier: GPL-3.0-or-later
"""The views' colors in the objects' textures, one object after the other: memory, and the wait for a cancel, are those
of one texture, however many objects are painted together.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..contract.reports import CountReport, ignore
from ..geometry.projection import Cameras, UVMesh, bake_texels, rasterize_views
from .squares import square_mesh

EXPONENT = 6.0
UNSEEN = 0.5
"""Gray of an object that no view sees."""


def bake_squares(
    mesh: UVMesh,
    cameras: Cameras,
    views: Tensor,
    size: tuple[int, int],
    report: CountReport = ignore,
    check: Callable[[], None] = ignore,
) -> Tensor:
    """Views [V, 3, S, S] in a strip of square textures, float32 [3, H, W] in [0, 1]; `size` is H and W.

    A square's texels that no view sees take the nearest seen color of the same square.
    """
    side, squares, views = size[0], size[1] // size[0], views.to(mesh.device)
    report(0, squares)
    shown = rasterize_views(mesh, cameras, views.shape[-1])
    textures = []
    for number in range(squares):
        part = square_mesh(mesh, squares, number)
        baked = bake_texels(part, cameras, views, side, EXPONENT, shown, check)
        textures.append(baked.texture.clamp(0, 1) if baked.weight.any() else torch.full_like(baked.texture, UNSEEN))
        report(number + 1, squares)
    return torch.cat(textures, dim=2)
