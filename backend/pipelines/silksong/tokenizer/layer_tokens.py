# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokens of one vertex: its place and its links (docs/algorithms/silksong.md, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from .vocabulary import (
    BLOCK,
    BLOCKS_PER_AXIS,
    CELLS_PER_BLOCK,
    LONG_RANGE,
    OFFSET,
    PREVIOUS_LAYER,
    PREVIOUS_LAYER_WINDOW,
    SAME_LAYER,
    SAME_LAYER_WINDOW,
    WINDOW_PATTERN_COUNT,
    WINDOW_PATTERNS,
)

_PATTERN_OF_BITS = {"".join(str(int(bit)) for bit in pattern): w for w, pattern in enumerate(WINDOW_PATTERNS)}


def _longest_prefix(bits: str) -> tuple[int, int]:
    """The pattern's number and how many leading bits of ``bits`` it says; the rest is left to a later token."""
    if bits in _PATTERN_OF_BITS:
        return _PATTERN_OF_BITS[bits], len(bits)
    runs = [len(list(run)) for _, run in groupby(bits)]
    length = sum(runs[: 3 if bits[0] == "0" else 4])
    return _PATTERN_OF_BITS[bits[:length].ljust(len(bits), "0")], length


_WINDOWS = [_longest_prefix(format(bits, f"0{PREVIOUS_LAYER_WINDOW}b")) for bits in range(2**PREVIOUS_LAYER_WINDOW)]


def place_tokens(x: int, y: int, z: int) -> tuple[int, int]:
    """The block and the offset of a cell."""
    blocks, cells = BLOCKS_PER_AXIS, CELLS_PER_BLOCK
    block = (x // cells * blocks + y // cells) * blocks + z // cells
    offset = (x % cells * cells + y % cells) * cells + z % cells
    return BLOCK + block, OFFSET + offset


def same_layer_tokens(offsets: Iterable[int], layer_size: int) -> Iterator[int]:
    """The window code, then the long-range links; ``offsets`` 1 … N - 1 lead cyclically to the linked vertices.

    Offsets that the other vertex's window says are left out.
    """
    code, long_range = 0, []
    for offset in offsets:
        if offset <= SAME_LAYER_WINDOW:
            code |= 1 << (offset - 1)
        elif offset < layer_size - SAME_LAYER_WINDOW:
            long_range.append(offset)
    yield SAME_LAYER + code
    for offset in sorted(long_range):
        yield LONG_RANGE + offset - 1


def previous_layer_tokens(positions: Iterable[int]) -> Iterator[int]:
    """Links to ``positions`` of the previous layer: a position, and a pattern of the five after it, per token."""
    links = set(positions)
    for position in sorted(links):
        if position not in links:
            continue
        window = 0
        for step in range(1, PREVIOUS_LAYER_WINDOW + 1):
            window = window * 2 + (position + step in links)
        pattern, length = _WINDOWS[window]
        links.difference_update(range(position + 1, position + 1 + length))
        yield PREVIOUS_LAYER + WINDOW_PATTERN_COUNT * position + pattern
