# SPDX-License-Identifier: GPL-3.0-or-later
"""The way between the views of a mesh and its texture, there (`Projector.bake`) and back (`Projector.render`).

See docs/algorithms/flexisyncmvd.md, section 4.

Everything that depends only on mesh, cameras and sizes is computed once: rendering is then one gather,
and baking three passes over lists. A *seed* is a texel that some pixel of a view shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import kernels, projector_kernels
from .baked import Baked
from .cameras import Cameras
from .rasterizer import rasterize_views
from .texel_lists import Blend, Seeds
from .uv_mesh import UVMesh
from .uv_space import rasterize_uvs
from .view_geometry import view_texels
from .visibility import visible_texels
from .voronoi import nearest_seeds

VISIBILITY_SIZE = 512
"""Side of the images that decide what a view sees."""


@dataclass(frozen=True)
class Projector:
    """V square views of S pixels a side, and a texture of H x W texels.

    Attributes:
        texels: int32 [V, S, S], the texel (row * W + column) that a pixel shows; -1 on the background.
        visible: bool [V, H, W], whether the view sees the texel or one of its eight neighbors.
        texture_size: H and W.
        fill_cosine: see `build`.
    """

    texels: Tensor
    visible: Tensor
    texture_size: tuple[int, int]
    fill_cosine: bool
    _seeds: Seeds
    _blend: Blend
    _fill: Tensor
    _any_seen: bool

    @classmethod
    def build(
        cls,
        mesh: UVMesh,
        cameras: Cameras,
        view_size: int,
        texture_size: int | tuple[int, int],
        *,
        fill_cosine: bool = True,
        visibility_size: int = VISIBILITY_SIZE,
    ) -> Projector:
        """Prepare the projection of ``mesh`` on its device.

        Args:
            mesh: with at least one face, in the cameras' world.
            cameras: one for each view.
            view_size: pixels a side.
            texture_size: texels a side, or height and width.
            fill_cosine: whether a view also has a say in the texels between those that its pixels show, with the color
                and the cosine of the nearest one. The published pipeline does so for latents and not for RGB.
            visibility_size: side of the images that decide which texels a view sees.
        """
        size = (texture_size, texture_size) if isinstance(texture_size, int) else texture_size
        fragments = rasterize_views(mesh, cameras, view_size)
        texels, cosine = view_texels(mesh, cameras, fragments, size)
        seeds = Seeds.of(texels, cosine, size)
        images = rasterize_views(mesh, cameras, visibility_size)
        visible = visible_texels(rasterize_uvs(mesh, size), mesh, cameras, images)
        blend = Blend.of(seeds, visible, spread=fill_cosine)
        covered = blend.covered
        fill = nearest_seeds(covered.view(size)).flatten()
        return cls(texels, visible, size, fill_cosine, seeds, blend, fill, bool(covered.any()))

    @property
    def view_size(self) -> int:
        """Pixels a side of the views, S."""
        return self.texels.shape[-1]

    @property
    def device(self) -> torch.device:
        """Where all of its tensors are."""
        return self.texels.device

    @property
    def mask(self) -> Tensor:
        """Whether the pixel shows the mesh, bool [V, S, S]."""
        return self.texels >= 0

    @property
    def hits(self) -> Tensor:
        """How many pixels of each view show a texel, int32 [V, H, W]."""
        return self._seeds.spread(self._seeds.counts.int())

    @property
    def cosine(self) -> Tensor:
        """Mean cosine of a view's pixels at each texel that they show, float32 [V, H, W].

        Other texels have that of the view's nearest one with ``fill_cosine``, else 0; so have views that see nothing.
        """
        cosine = self._seeds.spread(self._seeds.cosine)
        if not self.fill_cosine:
            return cosine
        nearest = nearest_seeds(self._seeds.mask).flatten(1).clamp(min=0).long()
        return cosine.flatten(1).gather(1, nearest).view(cosine.shape)

    def render(self, texture: Tensor, background: float = 1.0) -> Tensor:
        """Return the views [V, C + 1, S, S] of a texture [C, H, W]; the last channel is alpha, 0 or 1.

        Every pixel takes its texel's value; background pixels hold ``background`` and alpha 0. A texture that lies on
        another device than the projector is brought here, and its views back.
        """
        device, texture = texture.device, texture.to(self.device)
        alpha = self.mask
        colors = texture.flatten(1)[:, self.texels.clamp(min=0).long()].transpose(0, 1)
        colors = torch.where(alpha[:, None], colors, background)
        return torch.cat([colors, alpha[:, None].to(colors.dtype)], dim=1).to(device)

    def bake(self, views: Tensor, exponent: float) -> Baked:
        """Blend views [V, C, S, S] into one texture (docs/algorithms/flexisyncmvd.md, section 4), in float32.

        A view's weight at a texel is its cosine to the power of ``exponent`` where it sees the texel; the exponent 0
        counts as 1. Texels that no view sees take the nearest seen one's value. A view that sees nothing has no weight;
        if none sees anything, texture and weight are 0. Both are on the device of the views.
        """
        home = views.device
        pixels = views.shape[-1] * views.shape[-2]
        views = views.to(self.device).float().flatten(2).contiguous()
        channels, device = views.shape[1], self.device
        means = torch.empty(len(self._seeds.place), channels, device=device)
        kernels.launch(
            projector_kernels.mean_over_pixels,
            tuple(means.shape),
            *(views, self._seeds.pixel, self._seeds.first, pixels, means),
            device=device,
        )
        texture = torch.zeros(channels, len(self._fill), device=device)
        weight = torch.empty(len(self._fill), device=device)
        kernels.launch(
            projector_kernels.blend_views,
            (len(self._fill), channels),
            *(means, self._blend.seed, self._blend.cosine, self._blend.first),
            *(exponent or 1.0, texture, weight),
            device=device,
        )
        if self._any_seen:
            texture = texture[:, self._fill.long()]
        return Baked(texture.view(channels, *self.texture_size).to(home), weight.view(self.texture_size).to(home))
