# SPDX-License-Identifier: GPL-3.0-or-later
"""Group norm and sums of half-precision images whose channels lie together, with what is next to them in one go.

torch's own norm first turns such images into planes, and the convolution after it turns them back: four passes over
memory more than are needed. The order of every sum is fixed, so that a seed gives the same result.
"""

import torch
import warp as wp
from torch import Tensor, nn

from ...geometry.projection.kernels import launch

WIDTH = 4
"""Channels that a thread reads at once; neighboring threads have neighboring channels, so they read side by side."""
PIXELS_A_THREAD = 32


@wp.func_native("""
    struct alignas(8) Four { wp::half part[4]; };
    const Four four = reinterpret_cast<const Four*>(source.data)[index];
    return wp::vec_t<4, float>(float(four.part[0]), float(four.part[1]), float(four.part[2]), float(four.part[3]));
""")
def load_four(source: wp.array(dtype=wp.float16), index: int) -> wp.vec4:
    """Numbers 4 * index and the next three; the snippet is the body. Warp by itself reads one by one, and slower."""


@wp.func_native("""
    struct alignas(8) Four { wp::half part[4]; };
    const Four four = {{wp::half(value[0]), wp::half(value[1]), wp::half(value[2]), wp::half(value[3])}};
    reinterpret_cast<Four*>(target.data)[index] = four;
""")
def store_four(target: wp.array(dtype=wp.float16), index: int, value: wp.vec4) -> None:
    """Write numbers 4 * index and the next three; the snippet is the body."""


@wp.kernel
def _sum_chunks(
    x: wp.array(dtype=wp.float16), pixels: int, fours: int, sums: wp.array3d(dtype=wp.vec4),
    squares: wp.array3d(dtype=wp.vec4),
) -> None:
    """Sum and sum of squares of channels over a few pixels of one image."""
    image, chunk, four = wp.tid()
    total, square = wp.vec4(0.0), wp.vec4(0.0)
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        value = load_four(x, (image * pixels + pixel) * fours + four)
        total += value
        square += wp.cw_mul(value, value)
    sums[image, chunk, four] = total
    squares[image, chunk, four] = square


@wp.kernel
def _factors(
    sums: wp.array2d(dtype=wp.float64),
    squares: wp.array2d(dtype=wp.float64),
    shift: wp.array2d(dtype=wp.float16),
    weight: wp.array(dtype=wp.float16),
    bias: wp.array(dtype=wp.float16),
    pixels: int,
    share: int,
    eps: float,
    factor: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
) -> None:
    """What norm and shift make of a channel: x * factor + offset. `share` is the number of channels in a group."""
    image, channel = wp.tid()
    count = wp.float64(pixels)
    total, square = wp.float64(0.0), wp.float64(0.0)
    first = channel - channel % share
    for other in range(first, first + share):
        sum, moved = sums[image, other], wp.float64(shift[image, other])
        total += sum + count * moved
        square += squares[image, other] + wp.float64(2.0) * moved * sum + count * moved * moved
    count *= wp.float64(share)
    mean = total / count
    variance = wp.max(square / count - mean * mean, wp.float64(0.0))
    scale = wp.float64(weight[channel]) / wp.sqrt(variance + wp.float64(eps))
    factor[image, channel] = float(scale)
    offset[image, channel] = float((wp.float64(shift[image, channel]) - mean) * scale + wp.float64(bias[channel]))


@wp.func
def silu(x: float) -> float:
    """x * sigmoid(x)."""
    return x / (1.0 + wp.exp(-x))


@wp.kernel
def _normalize(
    x: wp.array(dtype=wp.float16),
    factor: wp.array2d(dtype=wp.vec4),
    offset: wp.array2d(dtype=wp.vec4),
    pixels: int,
    fours: int,
    activate: bool,
    y: wp.array(dtype=wp.float16),
) -> None:
    """A factor and an offset for each image and channel, then SiLU if asked for."""
    image, chunk, four = wp.tid()
    scale, shift = factor[image, four], offset[image, four]
    for pixel in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, pixels)):
        place = (image * pixels + pixel) * fours + four
        value = wp.cw_mul(load_four(x, place), scale) + shift
        if activate:
            value = wp.vec4(silu(value[0]), silu(value[1]), silu(value[2]), silu(value[3]))
        store_four(y, place, value)


@wp.kernel
def _add_rows(
    x: wp.array(dtype=wp.float16), bias: wp.array(dtype=wp.float16), other: wp.array(dtype=wp.float16), rows: int,
    fours: int,
) -> None:
    """Add a bias and other rows in place."""
    chunk, four = wp.tid()
    constant = load_four(bias, four)
    for row in range(chunk * PIXELS_A_THREAD, wp.min((chunk + 1) * PIXELS_A_THREAD, rows)):
        place = row * fours + four
        store_four(x, place, load_four(x, place) + constant + load_four(other, place))


def group_norm(x: Tensor, norm: nn.GroupNorm, shift: Tensor | None = None, activate: bool = False) -> Tensor:
    """`norm(x + shift)`, with SiLU if `activate`; x and the result float16 [B, C, H, W] with channels last in memory.

    `shift` [B, C] or [C], float16, is added to every pixel first. C is a multiple of WIDTH.
    """
    count, channels, height, width = x.shape
    pixels, fours = height * width, channels // WIDTH
    x = x.contiguous(memory_format=torch.channels_last)
    flat = _in_memory(x)
    chunks = -(-pixels // PIXELS_A_THREAD)
    both = torch.empty(2, count, chunks, channels, device=x.device)
    launch(_sum_chunks, (count, chunks, fours), flat, pixels, fours, *both.unflatten(-1, (-1, WIDTH)), device=x.device)
    shift = (x.new_zeros(channels) if shift is None else shift).expand(count, -1).contiguous()
    factor, offset = torch.empty(2, count, channels, device=x.device).unbind()
    launch(_factors, (count, channels), *both.sum(dim=2, dtype=torch.float64), shift, norm.weight, norm.bias, pixels,
           channels // norm.num_groups, norm.eps, factor, offset, device=x.device)
    y = torch.empty_like(x)
    launch(_normalize, (count, chunks, fours), flat, *(part.unflatten(-1, (-1, WIDTH)) for part in (factor, offset)),
           pixels, fours, activate, _in_memory(y), device=x.device)
    return y


def add_to(x: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    """`x + bias + other`, in x if its channels lie together; float16 images [B, C, H, W], bias [C]."""
    x, other = (part.contiguous(memory_format=torch.channels_last) for part in (x, other))
    rows, fours = x.numel() // x.shape[1], x.shape[1] // WIDTH
    launch(_add_rows, (-(-rows // PIXELS_A_THREAD), fours), _in_memory(x), bias, _in_memory(other), rows, fours,
           device=x.device)
    return x


def _in_memory(x: Tensor) -> Tensor:
    """Images with channels last as the row of numbers that they are in memory."""
    return x.permute(0, 2, 3, 1).view(-1)
