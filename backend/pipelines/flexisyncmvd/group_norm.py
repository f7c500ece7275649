# SPDX-License-Identifier: GPL-3.0-or-later
"""Group norm of half-precision pictures whose channels lie together, with what comes before and after it in one go.

torch's own first turns such pictures into planes, and the convolution after it turns them back: four passes over memory
more than are needed. The order of every sum is fixed, so that a seed gives the same result.
"""

from functools import cache

import torch
import warp as wp
from torch import Tensor, nn

from ...geometry.projection.kernels import launch

PIXELS_A_THREAD = 32


@wp.kernel
def _sum_chunks(
    x: wp.array2d(dtype=wp.float16),
    shift: wp.array2d(dtype=wp.float32),
    pixels: int,
    group: int,
    sums: wp.array3d(dtype=wp.vec2),
):
    """Sum and sum of squares of a group's channels over a few pixels of one picture."""
    picture, chunk, number = wp.tid()
    total, squares = wp.float32(0.0), wp.float32(0.0)
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        for channel in range(number * group, (number + 1) * group):
            value = float(x[picture * pixels + pixel, channel]) + shift[picture, channel]
            total += value
            squares += value * value
    sums[picture, chunk, number] = wp.vec2(total, squares)


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
    before = _zeros(count, channels, x.device) if shift is None else shift.float().contiguous()
    chunks = -(-pixels // PIXELS_A_THREAD)
    sums = torch.empty(count, chunks, groups, 2, device=x.device)
    launch(_sum_chunks, (count, chunks, groups), rows, before, pixels, channels // groups, sums, device=x.device)
    mean, square = (sums.double().sum(dim=1) / (pixels * (channels // groups))).unbind(-1)
    scale = (square - mean * mean).clamp(min=0).add(norm.eps).rsqrt()
    mean, scale = (part.float().repeat_interleave(channels // groups, dim=1) for part in (mean, scale))
    factor = (scale * norm.weight.float()).contiguous()
    offset = ((before - mean) * factor + norm.bias.float()).contiguous()
    y = torch.empty_like(rows)
    launch(_normalise, tuple(rows.shape), rows, factor, offset, pixels, activate, y, device=x.device)
    return y.view(count, height, width, channels).permute(0, 3, 1, 2)


@cache
def _zeros(count: int, channels: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.zeros(count, channels, device=device)
