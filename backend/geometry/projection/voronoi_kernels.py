# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels of the exact Voronoi cells; one thread follows one row, or one column, of one image."""

# ruff: noqa: UP018, RUF046 - warp takes a bare literal for a constant, which a loop may not change
import warp as wp

wp.set_module_options({"enable_backward": False})


@wp.kernel
def nearest_in_row(seeds: wp.array(dtype=wp.uint8, ndim=3), column: wp.array(dtype=wp.int32, ndim=3)) -> None:
    """Column of the nearest seed of the same row, the left one of two equally near; -1 in a row without seeds."""
    image, row = wp.tid()
    width = seeds.shape[2]
    last = int(-1)
    for x in range(width):
        if seeds[image, row, x] != wp.uint8(0):
            last = x
        column[image, row, x] = last
    last = int(-1)
    for i in range(width):
        x = width - 1 - i
        if seeds[image, row, x] != wp.uint8(0):
            last = x
        left = column[image, row, x]
        if left < 0 or (last >= 0 and last - x < x - left):
            column[image, row, x] = last


@wp.func
def squared_distance(y: int, x: int, row: int, column: int) -> int:
    """Between texels (y, x) and (row, column)."""
    return (y - row) * (y - row) + (x - column) * (x - column)


@wp.kernel
def nearest_over_rows(
    column: wp.array(dtype=wp.int32, ndim=3),
    apex: wp.array(dtype=wp.int32, ndim=3),
    start: wp.array(dtype=wp.int32, ndim=3),
    nearest: wp.array(dtype=wp.int32, ndim=3),
) -> None:
    """Lower envelope of the rows' parabolas over a column: ``apex[q]`` is the row that is nearest from ``start[q]``."""
    image, x = wp.tid()
    height = column.shape[1]
    width = column.shape[2]
    top = int(-1)
    for row in range(height):
        seed = column[image, row, x]
        if seed >= 0:
            first = int(0)
            searching = bool(True)
            while searching and top >= 0:
                other = apex[image, top, x]
                other_seed = column[image, other, x]
                begin = start[image, top, x]
                if squared_distance(begin, x, other, other_seed) > squared_distance(begin, x, row, seed):
                    top -= 1
                else:
                    # The last place where the upper row is at least as near; the numerator is not negative here.
                    gap = squared_distance(0, x, row, seed) - squared_distance(0, x, other, other_seed)
                    first = 1 + gap / (2 * (row - other))
                    searching = False
            if first < height:
                top += 1
                apex[image, top, x] = row
                start[image, top, x] = first
    for i in range(height):
        y = height - 1 - i
        if top < 0:
            nearest[image, y, x] = -1
        else:
            row = apex[image, top, x]
            nearest[image, y, x] = row * width + column[image, row, x]
            if start[image, top, x] == y and top > 0:
                top -= 1
