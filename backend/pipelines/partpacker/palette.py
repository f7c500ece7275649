# SPDX-License-Identifier: GPL-3.0-or-later
"""The 29 part colors: matplotlib's Set3, Set2 and Set1 in a row, as the published pipeline rounds them.

See docs/algorithms/partpacker.md, section 6.
"""

from __future__ import annotations

Rgba = tuple[int, int, int, int]

PALETTE: tuple[tuple[int, int, int], ...] = (
    (141, 211, 199),
    (255, 255, 179),
    (190, 186, 218),
    (251, 128, 114),
    (128, 177, 211),
    (253, 180, 98),
    (179, 222, 105),
    (252, 205, 229),
    (217, 217, 217),
    (188, 128, 189),
    (204, 235, 197),
    (255, 237, 111),
    (102, 194, 165),
    (252, 141, 98),
    (141, 160, 203),
    (231, 138, 195),
    (166, 216, 84),
    (255, 217, 47),
    (229, 196, 148),
    (179, 179, 179),
    (228, 26, 28),
    (55, 126, 184),
    (77, 175, 74),
    (152, 78, 163),
    (255, 127, 0),
    (255, 255, 51),
    (166, 86, 40),
    (247, 129, 191),
    (153, 153, 153),
)


def part_color(number: int) -> Rgba:
    """Return the opaque color of part ``number``, 8 bit sRGB."""
    return (*PALETTE[number % len(PALETTE)], 255)
