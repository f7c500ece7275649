# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh of a sequence that may be truncated, malformed or still coming (docs/algorithms/silksong.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .mesh_builder import Malformed, MeshBuilder
from .vocabulary import BLOCK, COMPONENT, END, END_COMPONENT, OFFSET

Triple = tuple[int, int, int]


class Salvage:
    """Takes a sequence in pieces of any length, each token once.

    Each component is built by itself up to where a vertex is malformed, links out of place are passed over, and
    nothing raises. What the pieces give together does not depend on where they were cut.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._held: list[int] = []
        """A block whose offset has not come yet."""
        self._over = False

    @property
    def face_count(self) -> int:
        """Faces so far, repeated ones counted."""
        return sum(len(part.builder.faces) for part in self._parts)

    def add(self, tokens: NDArray[np.int64]) -> None:
        """Take the next tokens int64 [n]; the end token and -1 end the sequence, and what follows is ignored."""
        if self._over:
            return
        ends = np.flatnonzero((tokens >= END) | (tokens < 0))
        if len(ends):
            tokens, self._over = tokens[: ends[0]], True
        sequence, self._held = np.append(self._held, tokens).astype(np.int64), []
        if len(sequence) and not self._over and BLOCK <= sequence[-1] < OFFSET:
            sequence, self._held = sequence[:-1], [int(sequence[-1])]
        for piece in _components(sequence):
            if piece[0] == COMPONENT or not self._parts:
                self._parts.append(_Part())
            self._parts[-1].add(piece)

    def mesh(self) -> tuple[list[Triple], list[Triple]]:
        """Cells of the vertices, and faces, so far."""
        cells: list[Triple] = []
        faces: list[Triple] = []
        for part in self._parts:
            first = len(cells)
            faces += [(a + first, b + first, c + first) for a, b, c in part.builder.faces]
            cells += part.builder.cells
        return cells, faces

    def notes(self) -> list[str]:
        """What of the sequence is not intact."""
        return [note for number, part in enumerate(self._parts, 1) for note in part.notes(number)]


class _Part:
    """One component."""

    def __init__(self) -> None:
        self.builder = MeshBuilder()
        self._finished = False
        self._reason = ""

    def add(self, tokens: list[int]) -> None:
        if self._reason:
            return
        try:
            self.builder.build(tokens)
            self._finished = tokens[-1] == END_COMPONENT
        except Malformed as reason:
            self._reason = str(reason)

    def notes(self, number: int) -> Iterator[str]:
        if self._reason:
            yield f"Part {number} ends early, at {self._reason}."
        elif not self._finished:
            yield f"Part {number} is not finished."
        if self.builder.passed_over:
            yield f"{self.builder.passed_over} tokens of part {number} are out of place and were passed over."


def _components(sequence: NDArray[np.int64]) -> Iterator[list[int]]:
    """The sequence cut before every component token."""
    starts = np.flatnonzero(sequence == COMPONENT)
    for part in np.split(sequence, starts):
        if len(part):
            yield part.tolist()
