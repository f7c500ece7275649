# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels of the rasterizer, one source for CUDA and CPU (docs/algorithms/flexisyncmvd.md, section 2).

Floating-point contraction is off, so that both devices round alike and find the same faces. The nearest face of a pixel
is the smallest 64-bit key (depth's bits, face index): depths are not negative, so their bits order as they do, ties go
to the smallest face, and the outcome does not depend on the order in which threads run.
"""

from typing import Any, TypeAlias

import torch
import warp as wp
from torch import Tensor

wp.config.log_level = wp.LOG_WARNING
wp.init()
wp.set_module_options({"fuse_fp": False, "enable_backward": False})

PIECE = wp.constant(256)
"""Pixels of a face's bounding box that one thread looks at, so that a large face does not occupy one thread alone."""
MARGIN = wp.constant(0.02)
"""Pixels by which bounding boxes are widened against rounding; the inside test decides."""
SMALLEST = wp.constant(1e-8)
"""Faces of at most this area (twice the triangle's, in NDC), or nearer than this, are left out."""
FARTHEST_KEY = (1 << 63) - 1
FACE_BITS = (1 << 31) - 1


Kernel: TypeAlias = wp.Kernel


def array(tensor: Tensor, dtype: Any) -> wp.array:
    """The same memory for warp; the last dimensions become vectors or matrices where ``dtype`` is one."""
    return wp.from_torch(tensor.detach(), dtype=dtype)


def launch(kernel: Kernel, shape: int | tuple[int, ...], *arguments: Any, device: torch.device) -> None:
    """Run a kernel where its tensors lie, in order with torch's own work. Tensors must be contiguous."""
    converted = [
        wp.from_torch(value.detach(), dtype=parameter.type.dtype, return_ctype=True) if isinstance(value, Tensor)
        else value
        for parameter, value in zip(kernel.adj.args, arguments, strict=True)
    ]
    stream = wp.stream_from_torch(torch.cuda.current_stream(device)) if device.type == "cuda" else None
    wp.launch(kernel, shape, inputs=converted, device=wp.device_from_torch(device), stream=stream)


@wp.func
def edge(p: wp.vec3, a: wp.vec3, b: wp.vec3) -> float:
    """Twice the area of the triangle (a, p, b) in the xy plane, negative when it is clockwise."""
    return (p[0] - a[0]) * (b[1] - a[1]) - (p[1] - a[1]) * (b[0] - a[0])


@wp.func
def pixel_center(index: int, size: int, half: float) -> float:
    """NDC of the pixel's center; ``index`` counts against the image's direction, from the right or the bottom."""
    return -half + (2.0 * half * float(index) + half) / float(size)


@wp.func
def pixel_index(position: float, size: int, half: float) -> float:
    """Inverse of `pixel_center`, fractional, clamped to one pixel around the image."""
    return wp.clamp(((position + half) * float(size) - half) / (2.0 * half), -1.0, float(size))


@wp.func
def barycentrics(p: wp.vec3, a: wp.vec3, b: wp.vec3, c: wp.vec3) -> wp.vec3:
    """Barycentric coordinates of p in the projected triangle."""
    denominator = edge(c, a, b)
    return wp.vec3(edge(p, b, c) / denominator, edge(p, c, a) / denominator, edge(p, a, b) / denominator)


@wp.func
def perspective_weights(w: wp.vec3, a: wp.vec3, b: wp.vec3, c: wp.vec3) -> wp.vec3:
    """Screen-space barycentrics to those on the surface, by the corners' depths."""
    x = w[0] / a[2]
    y = w[1] / b[2]
    z = w[2] / c[2]
    total = x + y + z
    return wp.vec3(x / total, y / total, z / total)


@wp.func
def interpolate_depth(w: wp.vec3, a: wp.vec3, b: wp.vec3, c: wp.vec3) -> float:
    """Depth of the point with the weights ``w``."""
    return w[0] * a[2] + w[1] * b[2] + w[2] * c[2]


@wp.kernel
def bound_faces(
    screen: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32, ndim=2),
    height: int,
    width: int,
    half_x: float,
    half_y: float,
    cull: bool,
    boxes: wp.array(dtype=wp.vec4i),
    pieces: wp.array(dtype=wp.int32),
) -> None:
    """Bounding box (first column, first row, columns, rows; mirrored indices) and number of pieces of every face."""
    f = wp.tid()
    a = screen[faces[f, 0]]
    b = screen[faces[f, 1]]
    c = screen[faces[f, 2]]
    pieces[f] = 0
    area = edge(a, b, c)
    if cull and area < 0.0:
        return
    if wp.abs(area) <= SMALLEST or wp.min(a[2], wp.min(b[2], c[2])) < SMALLEST:
        return
    low = wp.min(a, wp.min(b, c))
    high = wp.max(a, wp.max(b, c))
    first_column = wp.max(int(wp.ceil(pixel_index(low[0], width, half_x) - MARGIN)), 0)
    last_column = wp.min(int(wp.floor(pixel_index(high[0], width, half_x) + MARGIN)), width - 1)
    first_row = wp.max(int(wp.ceil(pixel_index(low[1], height, half_y) - MARGIN)), 0)
    last_row = wp.min(int(wp.floor(pixel_index(high[1], height, half_y) + MARGIN)), height - 1)
    columns = last_column - first_column + 1
    rows = last_row - first_row + 1
    if columns <= 0 or rows <= 0:
        return
    boxes[f] = wp.vec4i(first_column, first_row, columns, rows)
    pieces[f] = (columns * rows + PIECE - 1) / PIECE


@wp.kernel
def rasterize_pieces(
    screen: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32, ndim=2),
    boxes: wp.array(dtype=wp.vec4i),
    piece_ends: wp.array(dtype=wp.int64),
    height: int,
    width: int,
    half_x: float,
    half_y: float,
    perspective: bool,
    behind: wp.array(dtype=wp.int64, ndim=2),
    keys: wp.array(dtype=wp.int64, ndim=2),
) -> None:
    """Lower every covered pixel's key to the smallest one above ``behind`` (depth peeling)."""
    piece = wp.tid()
    f = wp.lower_bound(piece_ends, wp.int64(piece + 1))
    last_piece = wp.int32(piece_ends[f]) - 1
    box = boxes[f]
    pixels = box[2] * box[3]
    piece_count = (pixels + PIECE - 1) / PIECE
    first = (piece - last_piece + piece_count - 1) * PIECE
    a = screen[faces[f, 0]]
    b = screen[faces[f, 1]]
    c = screen[faces[f, 2]]
    denominator = edge(c, a, b)
    i = first % box[2]
    j = first / box[2]
    y = pixel_center(box[1] + j, height, half_y)
    for _ in range(wp.min(pixels - first, PIECE)):
        p = wp.vec3(pixel_center(box[0] + i, width, half_x), y, 0.0)
        w = wp.vec3(edge(p, b, c) / denominator, edge(p, c, a) / denominator, edge(p, a, b) / denominator)
        if w[0] > 0.0 and w[1] > 0.0 and w[2] > 0.0:
            if perspective:
                w = perspective_weights(w, a, b, c)
            depth = interpolate_depth(w, a, b, c)
            if depth >= 0.0:
                row = height - 1 - box[1] - j
                column = width - 1 - box[0] - i
                bits = wp.int64(wp.cast(wp.abs(depth), wp.int32))
                key = (bits << wp.int64(32)) | wp.int64(f)
                if key > behind[row, column]:
                    wp.atomic_min(keys, row, column, key)
        i += 1
        if i == box[2]:
            i = 0
            j += 1
            y = pixel_center(box[1] + j, height, half_y)


@wp.kernel
def resolve_pixels(
    screen: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32, ndim=2),
    keys: wp.array(dtype=wp.int64, ndim=2),
    height: int,
    width: int,
    half_x: float,
    half_y: float,
    perspective: bool,
    face: wp.array(dtype=wp.int32, ndim=2),
    barycentric: wp.array(dtype=wp.vec3, ndim=2),
    depth: wp.array(dtype=wp.float32, ndim=2),
) -> None:
    """Write face, barycentrics and depth of every pixel that has a key."""
    row, column = wp.tid()
    key = keys[row, column]
    if key == wp.int64(9223372036854775807):
        face[row, column] = -1
        return
    f = wp.int32(key & wp.int64(0x7FFFFFFF))
    a = screen[faces[f, 0]]
    b = screen[faces[f, 1]]
    c = screen[faces[f, 2]]
    p = wp.vec3(pixel_center(width - 1 - column, width, half_x), pixel_center(height - 1 - row, height, half_y), 0.0)
    w = barycentrics(p, a, b, c)
    if perspective:
        w = perspective_weights(w, a, b, c)
    face[row, column] = f
    barycentric[row, column] = w
    depth[row, column] = interpolate_depth(w, a, b, c)
