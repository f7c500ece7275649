# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixels show a texel, and which views have a say in it: the lists behind a projector (SPEC 2.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Seeds:
    """The texels that each view's pixels show, all views one after the other; N seeds of P pixels.

    Attributes:
        shape: views, texture height, texture width.
        texel: int64 [N], linear index in the texture of its view, ascending within a view.
        view_ends: number of seeds up to the end of each view.
        pixel: int32 [P], pixels (counted through all views) sorted by seed.
        first: int32 [N + 1], where each seed's pixels begin.
        cosine: float32 [N], mean over the pixels.
    """

    shape: tuple[int, int, int]
    texel: Tensor
    view_ends: list[int]
    pixel: Tensor
    first: Tensor
    cosine: Tensor

    @classmethod
    def of(cls, texels: Tensor, cosine: Tensor, texture_size: tuple[int, int]) -> Seeds:
        """Group the pixels by texel; texels int32 (-1 on the background) and cosine float32, [V, S, S]."""
        texel, count, pixel = [], [], []
        for view, of_pixel in enumerate(texels.flatten(1)):
            filled = (of_pixel >= 0).nonzero()[:, 0]
            ordered, order = of_pixel[filled].sort(stable=True)
            unique, counts = ordered.unique_consecutive(return_counts=True)
            texel.append(unique.long())
            count.append(counts)
            pixel.append((filled[order] + view * of_pixel.numel()).int())
        counts, pixels = torch.cat(count), torch.cat(pixel)
        first = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
        ends = torch.tensor([len(part) for part in texel]).cumsum(0).tolist()
        mean = _means(cosine.flatten()[pixels.long()], first)
        return cls((len(texels), *texture_size), torch.cat(texel), ends, pixels, first, mean)

    @property
    def counts(self) -> Tensor:
        """Number of pixels of each seed, int32 [N]."""
        return self.first.diff()

    def of_view(self, view: int) -> slice:
        return slice(self.view_ends[view - 1] if view else 0, self.view_ends[view])

    def spread(self, values: Tensor) -> Tensor:
        """Return values [N] of the seeds as textures [V, H, W], 0 elsewhere."""
        textures = values.new_zeros(self.shape[0], self.shape[1] * self.shape[2])
        for view, texture in enumerate(textures):
            part = self.of_view(view)
            texture[self.texel[part]] = values[part]
        return textures.view(self.shape)


@dataclass(frozen=True)
class Blend:
    """The views that have a say in each texel: K texels and E entries sorted by texel, then by view.

    Attributes:
        seed: int32 [E], the seed whose colour the view gives to the texel.
        cosine: float32 [E], above 0.
        first: int32 [K + 1], where each texel's entries begin.
    """

    seed: Tensor
    cosine: Tensor
    first: Tensor

    @property
    def covered(self) -> Tensor:
        """Whether a texel has an entry, bool [K]."""
        return self.first.diff() > 0

    @classmethod
    def of(
        cls, seeds: Seeds, visible: Tensor, nearest: Callable[[Tensor], Tensor] | None, smallest_cosine: float
    ) -> Blend:
        """Collect the entries of all views.

        Args:
            seeds: of the same texture.
            visible: bool [V, H, W], the texels that a view may have a say in.
            nearest: the nearest seed of every texel, as `voronoi.nearest_seeds`; None leaves only the seeds themselves.
            smallest_cosine: entries need more than this.
        """
        _, height, width = seeds.shape
        texels, ranks = [], []
        for view, seen in enumerate(visible.flatten(1)):
            part = seeds.of_view(view)
            own = seeds.texel[part]
            if not len(own):
                continue
            rank_of = torch.full((height * width,), -1, device=own.device)
            rank_of[own] = torch.arange(part.start, part.stop, device=own.device)
            if nearest is not None:
                rank_of = rank_of[nearest((rank_of >= 0).view(height, width)).flatten().long()]
            texel = (seen & (rank_of >= 0)).nonzero()[:, 0]
            rank = rank_of[texel]
            enough = seeds.cosine[rank] > smallest_cosine
            texels.append(texel[enough])
            ranks.append(rank[enough])
        nothing = seeds.texel.new_zeros(0)
        texel, order = torch.cat([nothing, *texels]).sort(stable=True)
        seed = torch.cat([nothing, *ranks])[order]
        counts = torch.bincount(texel, minlength=height * width)
        first = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
        return cls(seed.int(), seeds.cosine[seed], first)


def _means(values: Tensor, first: Tensor) -> Tensor:
    """Mean of each list of values [P] that begins at ``first`` [N + 1]; in double, by differences of running sums."""
    sums = torch.nn.functional.pad(values.double().cumsum(0), (1, 0))
    ends = first.long()
    return ((sums[ends[1:]] - sums[ends[:-1]]) / first.diff()).float()
