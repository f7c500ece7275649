# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's rasterizer as published: the outer pixels' centers lie on the border, and depth is quantized.

The product's puts pixels' centers half a pixel inside (docs/algorithms/hunyuan3d_paint.md, "Differences").
"""

import torch
from torch import Tensor

NO_TOKEN, TOKENS = 2147483647**2 + 2147483646, 2147483647
DEPTH_LEVELS = 262144
TAPS = 1 << 22


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Face of each pixel plus 1, int32 [H, W], 0 for none, and its barycentrics [H, W, 3]."""
    size = torch.tensor([width, height])
    xy = (clip[:, :2] / clip[:, 3:] * 0.5 + 0.5) * (size - 1) + 0.5
    depth = clip[:, 2] / clip[:, 3] * 0.49999 + 0.5
    corners, depths = xy[faces.long()], depth[faces.long()]
    low = corners.amin(dim=1).trunc().long().clamp(min=0)
    high = torch.minimum((corners.amax(dim=1) + 1).ceil().long(), size)
    extent = (high - low).clamp(min=0) * (_area(*corners.unbind(1)) != 0)[:, None]
    tokens = torch.full((height * width,), NO_TOKEN)
    counts = extent.prod(dim=1)
    for some in torch.arange(len(faces))[counts > 0].split(max(1, TAPS // int(counts.max()))):
        face = some.repeat_interleave(counts[some])
        number = torch.arange(len(face)) - (counts[some].cumsum(0) - counts[some]).repeat_interleave(counts[some])
        column, row = low[face, 0] + number % extent[face, 0], low[face, 1] + number // extent[face, 0]
        weights = _barycentric(corners[face], torch.stack([column, row], dim=1) + 0.5)
        at = (weights[:, 0] * depths[face, 0] + weights[:, 1] * depths[face, 1]) + weights[:, 2] * depths[face, 2]
        inside = ((weights >= 0) & (weights <= 1)).all(dim=1) & (at >= 0)
        token = (at * DEPTH_LEVELS).long() * TOKENS + face + 1
        tokens.scatter_reduce_(0, (row * width + column)[inside], token[inside], "amin")
    found = torch.where(tokens == NO_TOKEN, 0, tokens % TOKENS)
    pixel = found.nonzero()[:, 0]
    face = found[pixel] - 1
    weights = _barycentric(corners[face], torch.stack([pixel % width, pixel // width], dim=1) + 0.5)
    weights = weights / clip[faces.long()[face], 3]
    barycentric = torch.zeros(height * width, 3)
    barycentric[pixel] = weights * (1.0 / (weights[:, 0] + weights[:, 1] + weights[:, 2]))[:, None]
    return found.int().view(height, width), barycentric.view(height, width, 3)


def _area(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])


def _barycentric(corners: Tensor, points: Tensor) -> Tensor:
    a, b, c = corners.unbind(1)
    scale = 1.0 / _area(a, b, c)
    beta, gamma = _area(a, points, c) * scale, _area(a, b, points) * scale
    alpha = (1.0 - beta.double() - gamma.double()).float()
    return torch.stack([alpha, beta, gamma], dim=1)


def interpolate(found: Tensor, barycentric: Tensor, values: Tensor, faces: Tensor) -> Tensor:
    """Values [V, C] over the pixels, [H, W, C]; 0 on the background."""
    corners = values[faces.long()[(found - 1).clamp(min=0).long()]]
    return (corners * barycentric[..., None]).sum(dim=-2)
