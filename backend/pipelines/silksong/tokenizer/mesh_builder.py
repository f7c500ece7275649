# SPDX-License-Identifier: GPL-3.0-or-later
"""Growing a mesh from tokens, layer by layer (docs/algorithms/silksong.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from .layer_faces import Links, layer_faces
from .vocabulary import (
    BLOCK,
    BLOCKS_PER_AXIS,
    CELLS_PER_BLOCK,
    COMPONENT,
    END,
    END_COMPONENT,
    LONG_RANGE,
    NEXT_LAYER,
    OFFSET,
    PREVIOUS_LAYER,
    PREVIOUS_LAYER_WINDOW,
    SAME_LAYER,
    SAME_LAYER_WINDOW,
    WINDOW_PATTERN_COUNT,
    WINDOW_PATTERNS,
)

_PATTERN_STEPS = [[step for step, linked in enumerate(pattern, 1) if linked] for pattern in WINDOW_PATTERNS]


class Malformed(Exception):
    """The current token does not continue the sequence; the mesh built before it is intact."""


class MeshBuilder:
    """The mesh so far: ``cells`` of its vertices and ``faces`` by vertex index."""

    def __init__(self) -> None:
        self.cells: list[tuple[int, int, int]] = []
        self.faces: list[tuple[int, int, int]] = []
        self._block: int | None = None
        self.passed_over = 0
        """Tokens out of place that were left out, or were missing."""
        self._is_first_layer = True
        self._forget_layers()

    def _forget_layers(self) -> None:
        self._layer: list[int] = []
        self._same_layer: list[list[int]] = []
        self._upward: list[list[int]] = []
        self._previous: list[int] = []
        self._previous_links: Links | None = None

    def build(self, tokens: Sequence[int]) -> None:
        """Add the tokens' mesh; ends at the end token or -1. Raises :class:`Malformed`."""
        position, count = 0, len(tokens)
        while position < count:
            token = tokens[position]
            position += 1
            if token >= END or token < 0:
                return
            if token >= OFFSET:
                self._add_vertex(token)
            elif token >= BLOCK:
                self._block = token - BLOCK
                if position == count or tokens[position] < OFFSET:
                    raise Malformed("a block without an offset")
                self._add_vertex(tokens[position])
                position += 1
            elif token >= LONG_RANGE:
                self._add_link(token)
            elif token == COMPONENT:
                self._begin_component()
            elif token in (NEXT_LAYER, END_COMPONENT):
                self._close_layer()

    def _begin_component(self) -> None:
        self._is_first_layer = True
        self._forget_layers()

    def _add_vertex(self, token: int) -> None:
        offset = token - OFFSET
        if self._block is None or token >= END:
            raise Malformed("an offset without a block")
        bx, by, bz = _digits(self._block, BLOCKS_PER_AXIS)
        x, y, z = _digits(offset, CELLS_PER_BLOCK)
        self._layer.append(len(self.cells))
        self._same_layer.append([])
        self._upward.append([])
        self.cells.append((bx * CELLS_PER_BLOCK + x, by * CELLS_PER_BLOCK + y, bz * CELLS_PER_BLOCK + z))

    def _add_link(self, token: int) -> None:
        if not self._layer:
            self._pass_over(Malformed("a link before any vertex"))
        elif token < PREVIOUS_LAYER:
            self._same_layer[-1].append(token)
        else:
            self._upward[-1].append(token - PREVIOUS_LAYER)

    def _close_layer(self) -> None:
        if not self._layer:
            self._pass_over(Malformed("an empty layer"))
            return
        if self._is_first_layer:
            links = None
            self._is_first_layer = False
        else:
            links = self._links()
            rows = [self._row(tokens) for tokens in self._upward]
            self.faces += layer_faces(self._layer, links, self._previous, self._previous_links, rows)
        layer = self._layer
        self._forget_layers()
        self._previous, self._previous_links = layer, links

    def _links(self) -> Links:
        """The links inside the layer, made symmetric."""
        size = len(self._layer)
        links: Links = [{position} for position in range(size)]
        for position, tokens in enumerate(self._same_layer):
            for offset in self._window_offsets(tokens[:1], size) + self._long_range_offsets(tokens[1:], size):
                other = (position + offset) % size
                links[position].add(other)
                links[other].add(position)
        return links

    def _window_offsets(self, first: list[int], size: int) -> list[int]:
        """The offsets that a vertex's ``first`` token of its own layer says, if there is one."""
        if not first:
            self._pass_over(Malformed("a vertex without a window code"))
            return []
        if first[0] < SAME_LAYER:
            self._pass_over(Malformed("a long-range link in place of a window code"))
            return []
        code = first[0] - SAME_LAYER
        return [offset for offset in range(1, min(SAME_LAYER_WINDOW, size - 1) + 1) if code >> (offset - 1) & 1]

    def _long_range_offsets(self, tokens: list[int], size: int) -> list[int]:
        if size <= SAME_LAYER_WINDOW:
            self.passed_over += len(tokens)
            return []
        offsets = [token - LONG_RANGE + 1 for token in tokens]
        inside = [offset for offset in offsets if offset < size]
        for _ in range(len(offsets) - len(inside)):
            self._pass_over(Malformed("a long-range link beyond the layer"))
        return inside

    def _pass_over(self, reason: Malformed) -> None:
        """Count a token that is out of place, for ``reason``, or missing."""
        self.passed_over += 1

    def _row(self, tokens: list[int]) -> set[int]:
        """Linked positions of the previous layer; a later token overwrites the six positions that it speaks of."""
        size = len(self._previous)
        row: set[int] = set()
        for token in tokens:
            position, pattern = divmod(token, WINDOW_PATTERN_COUNT)
            if position >= size:
                self.passed_over += 1
                continue
            row.difference_update(range(position + 1, position + PREVIOUS_LAYER_WINDOW + 1))
            row.add(position)
            row.update(position + step for step in _PATTERN_STEPS[pattern])
        return {position for position in row if position < size}


def _digits(number: int, base: int) -> tuple[int, int, int]:
    return number // base**2, number // base % base, number % base
