# SPDX-License-Identifier: GPL-3.0-or-later
"""Group norm of half-precision pictures whose channels lie together, with what comes before and after it in one go.

torch's own first turns such pictures into planes, and the convolution after it turns them back: four passes over memory
more than are needed. The order of every sum is fixed, so that a seed gives the same result.
"""

import torch
import warp as wp
from torch import Tensor, nn

from ...geometry.projection.kernels import launch

PIXELS_A_THREAD = 64


@wp.kernel
def _sum_chunks(x: wp.array2d(dtype=wp.float16), pixels: int, sums: wp.array3d(dtype=wp.vec2)):
    """Sum and sum of squares of a channel over a few pixels of one picture; neighbouring threads read side by side."""
    picture, chunk, channel = wp.tid()
    total, squares = wp.float32(0.0), wp.float32(0.0)
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        value = float(x[picture * pixels + pixel, channel])
        total += value
        squares += value * value
    sums[picture, chunk, channel] = wp.vec2(total, squares)


@wp.kernel
def _normalise(
    x: wp.array2d(dtype=wp.float16),
    factor: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    pixels: int,
    activate: bool,
    y: wp.array2d(dtype=wp.float16),
):
    """A factor and an offset for each picture and channel, then SiLU if asked for."""
    row, channel = wp.tid()
    picture = row // pixels
    value = float(x[row, channel]) * factor[picture, channel] + offset[picture, channel]
    if activate:
        value = value / (1.0 + wp.exp(-value))
    y[row, channel] = wp.float16(value)


def group_norm(x: Tensor, norm: nn.GroupNorm, shift: Tensor | None = None, activate: bool = False) -> Tensor:
    """`norm(x + shift)`, with SiLU if `activate`; x and the result float16 [B, C, H, W] with channels last in memory.

    `shift` [B, C] is added to every pixel first.
    """
    count, channels, height, width = x.shape
    pixels, groups = height * width, norm.num_groups
    rows = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(-1, channels)
    chunks = -(-pixels // PIXELS_A_THREAD)
    sums = torch.empty(count, chunks, channels, 2, device=x.device)
    launch(_sum_chunks, (count, chunks, channels), rows, pixels, sums, device=x.device)
    total, square = sums.double().sum(dim=1).unbind(-1)
    if shift is not None:
        shift = shift.double()
        total, square = total + pixels * shift, square + 2 * shift * total + pixels * shift * shift
    share = channels // groups
    mean, square = (part.view(count, groups, share).sum(-1) / (pixels * share) for part in (total, square))
    scale = (square - mean * mean).clamp(min=0).add(norm.eps).rsqrt()
    mean, scale = (part.repeat_interleave(share, dim=1) for part in (mean, scale))
    factor = scale * norm.weight
    offset = (-mean if shift is None else shift - mean) * factor + norm.bias
    y = torch.empty_like(rows)
    launch(_normalise, tuple(rows.shape), rows, factor.float().contiguous(), offset.float().contiguous(), pixels,
           activate, y, device=x.device)
    return y.view(count, height, width, channels).permute(0, 3, 1, 2)
