# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that each ControlNet of a run follows, rendered once for all steps.

See docs/algorithms/flexisyncmvd.md, section 5.
"""

import torch
from torch import Tensor

from ...contract import BadInput
from ...geometry.projection import rasterize_views, view_texels
from .conditioning import ControlKind, condition_geometry, condition_image, smooth
from .settings import Scene, TextureSettings


def control_images(scene: Scene, settings: TextureSettings) -> dict[ControlKind, Tensor]:
    """For each control of the settings the views' images, float32 [V, 3, 8 s, 8 s]. Raises BadInput."""
    if not settings.controls:
        return {}
    geometry = condition_geometry(scene.mesh, scene.cameras)
    size = 8 * settings.sizes.latent_view
    return {
        kind: texture_so_far(scene, settings) if kind is ControlKind.TILE
        else condition_image(kind, geometry, scene.cameras, size)
        for kind in settings.controls
    }


def texture_so_far(scene: Scene, settings: TextureSettings) -> Tensor:
    """The mesh with its texture so far in every view, on white. Raises BadInput where it has none."""
    if scene.so_far is None:
        raise BadInput("There is no texture to start from.", "Tile control follows the texture that is there.",
                       "Give the mesh an image texture, or choose another control.")
    mesh, texture = scene.so_far.mesh, scene.so_far.texture
    fragments = rasterize_views(mesh, scene.cameras, settings.sizes.view)
    texels, _ = view_texels(mesh, scene.cameras, fragments, (texture.shape[1], texture.shape[2]))
    colors = texture.flatten(1)[:, texels.clamp(min=0).long()].transpose(0, 1)
    return smooth(torch.where(texels[:, None] >= 0, colors, 1.0), 8 * settings.sizes.latent_view)
