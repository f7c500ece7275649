# SPDX-License-Identifier: GPL-3.0-or-later
"""From tokens to a mesh, whole or as much of it as is intact (specification 2.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..grid_mesh import cell_centers
from .small_holes import close_small_holes
from .vocabulary import COMPONENT, END, END_COMPONENT, RESOLUTION
from .weaver import Malformed, OutOfPlace, Weaver

Triple = tuple[int, int, int]
Woven = tuple[list[Triple], list[Triple], list[str]]
"""Cells of vertices, faces, notes."""


@dataclass(frozen=True)
class DecodedMesh:
    """A mesh in the normalized frame, y up; its winding is only locally plausible."""

    vertices: NDArray[np.float32]
    """float32 [V, 3], centers of cells."""
    faces: NDArray[np.int32]
    """int32 [F, 3]; no two have the same three vertices."""
    cells: NDArray[np.int32]
    """int32 [V, 3], 0 … 127."""
    notes: tuple[str, ...]
    """What of the sequence was not intact."""


def decode(tokens: ArrayLike, *, salvage: bool = True, close_holes: bool = False) -> DecodedMesh:
    """The mesh of a sequence int [T]; the end token and -1 end it.

    With ``salvage``, each component is woven for itself up to where a vertex is malformed, links out of place are
    passed over, vertices without a face are dropped, and nothing raises. Without, it is the published decoder: it stops
    at the first malformed token, and raises IndexError for a link or a layer that comes before what it refers to.
    ``close_holes`` is the published repair: holes of up to six edges are closed, borders of open parts too.
    """
    sequence = np.asarray(tokens, np.int64).ravel()
    cells, faces, notes = _salvage(sequence) if salvage else _published(sequence)
    places = np.array(cells, np.int32).reshape(-1, 3)
    triangles = _distinct(np.array(faces, np.int32).reshape(-1, 3))
    if close_holes:
        triangles = close_small_holes(triangles)
    if salvage:
        used = np.zeros(len(places), bool)
        used[triangles] = True
        places, triangles = places[used], (np.cumsum(used) - 1).astype(np.int32)[triangles]
    return DecodedMesh(cell_centers(places, RESOLUTION).astype(np.float32), triangles, places, tuple(notes))


def _published(sequence: NDArray[np.int64]) -> Woven:
    weaver = Weaver(published=True)
    try:
        weaver.weave(sequence.tolist())
    except OutOfPlace:  # the published decoder loses the whole mesh here, what was woven included
        raise
    except Malformed as stop:
        return weaver.cells, weaver.faces, [f"The sequence stops at {stop}."]
    return weaver.cells, weaver.faces, []


def _salvage(sequence: NDArray[np.int64]) -> Woven:
    ends = np.flatnonzero((sequence >= END) | (sequence < 0))
    sequence = sequence[: ends[0]] if len(ends) else sequence
    cells: list[Triple] = []
    faces: list[Triple] = []
    notes = []
    for number, component in enumerate(_components(sequence), 1):
        weaver = Weaver(published=False)
        try:
            weaver.weave(component)
            if component[-1] != END_COMPONENT:
                notes.append(f"Part {number} is not finished.")
        except Malformed as reason:
            notes.append(f"Part {number} ends early, at {reason}.")
        if weaver.passed_over:
            notes.append(f"{weaver.passed_over} tokens of part {number} are out of place and were passed over.")
        faces += [(a + len(cells), b + len(cells), c + len(cells)) for a, b, c in weaver.faces]
        cells += weaver.cells
    return cells, faces, notes


def _components(sequence: NDArray[np.int64]) -> Iterator[list[int]]:
    """The sequence cut before every component token."""
    starts = np.flatnonzero(sequence == COMPONENT)
    for part in np.split(sequence, starts):
        if len(part):
            yield part.tolist()


def _distinct(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The first of the faces that have the same three vertices."""
    if not len(faces):
        return faces
    first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]
    return faces[np.sort(first)]
