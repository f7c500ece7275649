# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network sees besides the noisy latents. It is the same in all steps, so its keys and values are too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from .rotary import Rotary, rotary_table


@dataclass
class Conditions:
    """Conditions of B branches of guidance, for P materials in N views each. Rows are branch, material, view.

    Attributes:
        views: N.
        reference_scales: how much each branch takes from the reference image; a branch of 0 does not look at it.
        image: `[B, T, W]`, DINOv2 tokens of the reference image as they enter the projector, zeros for none.
        reference: for each block, tokens of the reference image `[1 or branches that look at it, L, C]`.
        voxels: by tokens of one view, the voxel of each of all N views' tokens, int32 `[B or 1, N * L, 3]`. Empty for
            a single view.
    """

    views: int
    reference_scales: tuple[float, ...]
    image: Tensor
    reference: Mapping[str, Tensor]
    voxels: Mapping[int, Tensor]
    _kept: dict[tuple[str, str], tuple[Tensor, ...]] = field(default_factory=dict, repr=False)

    @property
    def branches(self) -> int:
        """B."""
        return len(self.reference_scales)

    @property
    def looking(self) -> list[int]:
        """The branches that look at the reference image."""
        return [branch for branch, scale in enumerate(self.reference_scales) if scale]

    def once(self, block: str, layer: str, compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What `compute` returned in the first step, for a layer of a block."""
        if (block, layer) not in self._kept:
            self._kept[block, layer] = compute()
        return self._kept[block, layer]

    def rotary(self, tokens: int, width: int) -> Rotary:
        """The table for so many tokens a view and heads of that width."""

        def table() -> tuple[Tensor, ...]:
            made = rotary_table(self.voxels[tokens], width)
            return made.cosine, made.sine

        return Rotary(*self.once(f"rotary_{tokens}", str(width), table))
