# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that each ControlNet of a run follows, rendered once for all steps (spec 2.11)."""

from torch import Tensor

from ...contract import BadInput
from ...geometry.projection import Projector
from .conditioning import ControlKind, condition_geometry, condition_image, smooth
from .settings import Scene, Settings


def control_pictures(scene: Scene, settings: Settings) -> dict[ControlKind, Tensor]:
    """For each control of the settings the views' pictures, float32 [V, 3, 8 s, 8 s]. Raises BadInput."""
    if not settings.controls:
        return {}
    geometry = condition_geometry(scene.mesh, scene.cameras, reference=settings.reference)
    size = 8 * settings.sizes.latent_view
    return {
        kind: texture_so_far(scene, settings) if kind is ControlKind.TILE
        else condition_image(kind, geometry, scene.cameras, size, settings.reference)
        for kind in settings.controls
    }


def texture_so_far(scene: Scene, settings: Settings) -> Tensor:
    """The mesh with its texture so far in every view, on white. Raises BadInput where it has none."""
    if scene.texture is None:
        raise BadInput("There is no texture to start from.", "Tile control follows the texture that is there.",
                       "Give the mesh an image texture, or choose another control.")
    projector = Projector.build(scene.mesh, scene.cameras, settings.sizes.view, tuple(scene.texture.shape[1:]),
                                fill_cosine=False, reference=settings.reference)
    return smooth(projector.render(scene.texture)[:, :-1], 8 * settings.sizes.latent_view)
