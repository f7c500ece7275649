# SPDX-License-Identifier: GPL-3.0-or-later
"""Group norm and sums of half-precision pictures whose channels lie together, with what is next to them in one go.

torch's own norm first turns such pictures into planes, and the convolution after it turns them back: four passes over
memory more than are needed. The order of every sum is fixed, so that a seed gives the same result.
"""

import torch
import warp as wp
from torch import Tensor, nn

from ...geometry.projection.kernels import launch

PIXELS_A_THREAD = 64


@wp.kernel
def _sum_chunks(x: wp.array2d(dtype=wp.float16), pixels: int, sums: wp.array3d(dtype=wp.vec2)):
    """Sum and sum of squares of a channel over a few pixels of one picture. In all kernels neighbouring threads have
    neighbouring channels, so they read side by side."""
    picture, chunk, channel = wp.tid()
    total, squares = wp.float32(0.0), wp.float32(0.0)
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        value = float(x[picture * pixels + pixel, channel])
        total += value
        squares += value * value
    sums[picture, chunk, channel] = wp.vec2(total, squares)


@wp.kernel
def _factors(
    sums: wp.array2d(dtype=wp.vec2d),
    shift: wp.array2d(dtype=wp.float16),
    weight: wp.array(dtype=wp.float16),
    bias: wp.array(dtype=wp.float16),
    pixels: int,
    share: int,
    eps: float,
    factor: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
):
    """What norm and shift make of a channel: x * factor + offset. `share` is the number of channels in a group."""
    picture, channel = wp.tid()
    count = wp.float64(pixels)
    total, squares = wp.float64(0.0), wp.float64(0.0)
    first = channel - channel % share
    for other in range(first, first + share):
        sum, moved = sums[picture, other], wp.float64(shift[picture, other])
        total += sum[0] + count * moved
        squares += sum[1] + wp.float64(2.0) * moved * sum[0] + count * moved * moved
    count *= wp.float64(share)
    mean = total / count
    variance = wp.max(squares / count - mean * mean, wp.float64(0.0))
    scale = wp.float64(weight[channel]) / wp.sqrt(variance + wp.float64(eps))
    factor[picture, channel] = float(scale)
    offset[picture, channel] = float((wp.float64(shift[picture, channel]) - mean) * scale + wp.float64(bias[channel]))


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
    picture, chunk, channel = wp.tid()
    scale, shift = factor[picture, channel], offset[picture, channel]
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        value = float(x[picture * pixels + pixel, channel]) * scale + shift
        if activate:
            value = value / (1.0 + wp.exp(-value))
        y[picture * pixels + pixel, channel] = wp.float16(value)


@wp.kernel
def _add_rows(
    x: wp.array2d(dtype=wp.float16), bias: wp.array(dtype=wp.float16), other: wp.array2d(dtype=wp.float16), rows: int
):
    """Add a bias and other rows in place."""
    chunk, channel = wp.tid()
    constant = float(bias[channel])
    for row in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, rows)):
        x[row, channel] = wp.float16(float(x[row, channel]) + constant + float(other[row, channel]))


def group_norm(x: Tensor, norm: nn.GroupNorm, shift: Tensor | None = None, activate: bool = False) -> Tensor:
    """`norm(x + shift)`, with SiLU if `activate`; x and the result float16 [B, C, H, W] with channels last in memory.

    `shift` [B, C] or [C], float16, is added to every pixel first.
    """
    count, channels, height, width = x.shape
    pixels = height * width
    rows = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(-1, channels)
    chunks = -(-pixels // PIXELS_A_THREAD)
    sums = torch.empty(count, chunks, channels, 2, device=x.device)
    launch(_sum_chunks, (count, chunks, channels), rows, pixels, sums, device=x.device)
    sums = sums.sum(dim=1, dtype=torch.float64)
    shift = (x.new_zeros(channels) if shift is None else shift).expand(count, -1).contiguous()
    factor, offset = torch.empty(2, count, channels, device=x.device).unbind()
    launch(_factors, (count, channels), sums, shift, norm.weight, norm.bias, pixels, channels // norm.num_groups,
           norm.eps, factor, offset, device=x.device)
    y = torch.empty_like(rows)
    launch(_normalise, (count, chunks, channels), rows, factor, offset, pixels, activate, y, device=x.device)
    return y.view(count, height, width, channels).permute(0, 3, 1, 2)


def add_to(x: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    """`x + bias + other`, in x if its channels lie together; float16 pictures [B, C, H, W], bias [C]."""
    x, other = (part.contiguous(memory_format=torch.channels_last) for part in (x, other))
    rows, others = (part.permute(0, 2, 3, 1).flatten(0, 2) for part in (x, other))
    launch(_add_rows, (-(-len(rows) // PIXELS_A_THREAD), x.shape[1]), rows, bias, others, len(rows), device=x.device)
    return x
