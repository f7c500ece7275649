# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling what lies between the charts of a texture: means of ever larger squares (Gortler et al., 1996).

So mip-mapping and filtering meet colors of the charts around, not black.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad


def pull_push(colors: Tensor, known: Tensor) -> Tensor:
    """Fill an image float32 `[H, W, C]` everywhere; known pixels (bool `[H, W]`) keep their colors exactly."""
    weight = known.float()[None, None]
    filled = _filled(colors.permute(2, 0, 1)[None] * weight, weight)
    return torch.where(known[..., None], colors, filled[0].permute(1, 2, 0))


def _filled(total: Tensor, weight: Tensor) -> Tensor:
    """Means of weighted sums [1, C, H, W], where the weight is 0 those of a coarser image."""
    height, width = weight.shape[-2:]
    mean = total / weight.clamp(min=1e-12)
    if (weight > 0).all() or max(height, width) == 1:
        return mean
    bottom, right = height % 2, width % 2
    coarse_total, coarse_weight = (
        pad(part, (0, right, 0, bottom)).unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).sum(dim=(-1, -3))
        for part in (total, weight)
    )
    # More weight would let large charts speak for all around them.
    scale = coarse_weight.clamp(min=1.0)
    coarse = _filled(coarse_total / scale, coarse_weight / scale)
    around = interpolate(coarse, (height + bottom, width + right), mode="bilinear", align_corners=False)
    return torch.where(weight > 0, mean, around[..., :height, :width])
