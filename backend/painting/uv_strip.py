# SPDX-License-Identifier: GPL-3.0-or-later
"""Several textures side by side in one, for objects and materials that are textured together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class UVStrip:
    """T textures from left to right, all scaled to one height.

    Attributes:
        sizes: height and width of each texture on its own, in texels.
        height: of the strip, in texels.
    """

    sizes: tuple[tuple[int, int], ...]
    height: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of each texture in the strip, in whole texels, rounded down."""
        return tuple(width * self.height // height for height, width in self.sizes)

    @property
    def texture_size(self) -> tuple[int, int]:
        """Height and width of the strip."""
        return self.height, sum(self.widths)

    def to_strip(self, uvs: Tensor, texture: Tensor) -> Tensor:
        """Return coordinates in the strip, [M, 2], of coordinates in textures of their own.

        Args:
            uvs: float [M, 2] in [0, 1]; what lies outside lands in a neighbor, see `wrap_uvs`.
            texture: int [M], which texture each belongs to.
        """
        offset, width, total = self._places(uvs)
        u = (uvs[:, 0] * width[texture.long()] + offset[texture.long()]) / total
        return torch.stack([u, uvs[:, 1]], dim=1)

    def join(self, images: Sequence[Tensor]) -> Tensor:
        """Return the strip float32 [C, H, W] of images [C, h, w], each resized to its place bilinearly."""
        return torch.cat(
            [
                torch.nn.functional.interpolate(
                    image[None].float(), (self.height, width), mode="bilinear", align_corners=False
                )[0]
                for image, width in zip(images, self.widths, strict=True)
            ],
            dim=2,
        )

    def split(self, strip: Tensor) -> tuple[Tensor, ...]:
        """Cut a strip [..., H, W] at the textures' borders, each at its size in the strip."""
        return strip.split(self.widths, dim=-1)

    def _places(self, uvs: Tensor) -> tuple[Tensor, Tensor, float]:
        """Where each texture begins and its width, [T] each, and the sum of widths, in texels, as `split` cuts."""
        *offsets, total = accumulate(self.widths, initial=0)
        return uvs.new_tensor(offsets), uvs.new_tensor(self.widths), float(total)
