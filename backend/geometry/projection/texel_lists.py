# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixels show a texel, and which views have a say in it: the lists behind a projector.

See docs/algorithms/flexisyncmvd.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .baked import GRAZING_COSINE
from .sorting import sort_keys
from .voronoi import nearest_seeds


@dataclass(frozen=True)
class Seeds:
    """The texels that each view's pixels show: N seeds of P pixels.

    Attributes:
        shape: views V, texture height H, texture width W.
        place: int64 [N], ascending, linear index in textures [V, H, W].
        pixel: int32 [P], linear indices in views [V, S, S], sorted by seed.
        first: int32 [N + 1], where each seed's pixels begin.
        cosine: float32 [N], mean over the pixels.
    """

    shape: tuple[int, int, int]
    place: Tensor
    pixel: Tensor
    first: Tensor
    cosine: Tensor

    @classmethod
    def of(cls, texels: Tensor, cosine: Tensor, texture_size: tuple[int, int]) -> Seeds:
        """Group the pixels by texel; texels int32 (-1 on the background) and cosine float32, [V, S, S]."""
        shape = (len(texels), *texture_size)
        texel_count = shape[1] * shape[2]
        filled = (texels.flatten() >= 0).nonzero()[:, 0]
        view = filled // texels[0].numel()
        places, order = sort_keys(texels.flatten()[filled] + view * texel_count, shape[0] * texel_count)
        pixel = filled[order.long()]
        place, counts = places.unique_consecutive(return_counts=True)
        first = pad(counts.cumsum(0), (1, 0))
        return cls(shape, place, pixel.int(), first.int(), _means(cosine.flatten()[pixel], first))

    @property
    def counts(self) -> Tensor:
        """Number of pixels of each seed, int32 [N]."""
        return self.first.diff()

    @property
    def mask(self) -> Tensor:
        """Where the seeds are, bool [V, H, W]."""
        return self.spread(torch.ones_like(self.place, dtype=torch.bool))

    def spread(self, values: Tensor) -> Tensor:
        """Return values [N] of the seeds as textures [V, H, W], 0 elsewhere."""
        views, height, width = self.shape
        textures = values.new_zeros(views * height * width)
        textures[self.place] = values
        return textures.view(self.shape)


@dataclass(frozen=True)
class Blend:
    """The views that have a say in each texel: K texels and E entries sorted by texel, then by view.

    Attributes:
        seed: int32 [E], the seed whose color the view gives to the texel.
        cosine: float32 [E], above `GRAZING_COSINE`.
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
    def of(cls, seeds: Seeds, visible: Tensor, *, spread: bool) -> Blend:
        """Collect the entries of all views.

        Args:
            seeds: of the same texture.
            visible: bool [V, H, W], the texels that a view may have a say in.
            spread: whether every texel takes its nearest seed, or only the seeds themselves have entries.
        """
        seed = torch.arange(len(seeds.place), device=visible.device)
        place = seeds.place
        if spread:
            place, seed = _spread_seeds(seeds, visible)
        chosen = visible.flatten()[place] & (seeds.cosine[seed] > GRAZING_COSINE)
        texel_count = visible[0].numel()
        texel, order = sort_keys(place[chosen] % texel_count, texel_count)
        seed = seed[chosen][order.long()]
        first = pad(torch.bincount(texel, minlength=texel_count).cumsum(0), (1, 0))
        return cls(seed.int(), seeds.cosine[seed], first.int())


def _spread_seeds(seeds: Seeds, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return every visible place of the views that have seeds, and the number of the seed nearest to it, int64 [E]."""
    texel_count = visible[0].numel()
    nearest_texel = nearest_seeds(seeds.mask).flatten()
    place = (visible.flatten() & (nearest_texel >= 0)).nonzero()[:, 0]
    number = torch.empty_like(nearest_texel)
    number[seeds.place] = torch.arange(len(seeds.place), dtype=number.dtype, device=number.device)
    return place, number[nearest_texel[place] + place // texel_count * texel_count].long()


def _means(values: Tensor, first: Tensor) -> Tensor:
    """Mean of each list of values [P] that begins at ``first`` [N + 1]; in double, by differences of running sums."""
    sums = pad(values.double().cumsum(0), (1, 0))
    return (sums[first].diff() / first.diff()).float()
