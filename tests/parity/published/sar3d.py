# SPDX-License-Identifier: GPL-3.0-or-later
"""What the published SAR3D does otherwise than it should, to reach its recorded numbers."""

from torch import Tensor

from backend.pipelines.sar3d.fields import COLOR_MARGIN
from backend.pipelines.sar3d.quantizer import ResidualQuantizer
from backend.pipelines.sar3d.volume_rendering import Samples, Views


class RawLastCodes(ResidualQuantizer):
    """Its training gives the last scale's codes their own length, which generation does not."""

    def codes(self, scale: int) -> Tensor:
        last = scale == len(self.layout.sides) - 1
        return self.embedding.weight if last else super().codes(scale)


class RawCodes(ResidualQuantizer):
    """Its extraction of tokens gives all codes their own length: the residuals are not those of generation."""

    def codes(self, scale: int) -> Tensor:
        return self.embedding.weight


def published_alpha(views: Views) -> Tensor:
    """It gives alpha the margin of colors."""
    return views.alpha * (1 + 2 * COLOR_MARGIN) - COLOR_MARGIN


def published_depth(views: Views, samples: Samples) -> Tensor:
    """It brings depth, which it does not divide by alpha, into the range of the samples' distances."""
    return views.depth.clamp(samples.distance.min(), samples.distance.max())
