# SPDX-License-Identifier: GPL-3.0-or-later
"""From tokens to a mesh, whole or as much of it as is intact (specification 2.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....geometry.manifold_repair.grid_mesh import cell_centers
from .salvage import Salvage, Triple
from .small_holes import close_small_holes
from .vocabulary import END, RESOLUTION
from .weaver import Malformed, OutOfPlace, Weaver

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
    return _mesh(cells, faces, notes, close_holes=close_holes, drop_unused=salvage)


def mesh_so_far(salvage: Salvage) -> DecodedMesh:
    """The mesh of a sequence that is still coming; once it has come, that of `decode`."""
    return _mesh(*salvage.woven(), salvage.notes(), close_holes=False, drop_unused=True)


def _mesh(
    cells: list[Triple], faces: list[Triple], notes: list[str], *, close_holes: bool, drop_unused: bool
) -> DecodedMesh:
    places = np.array(cells, np.int32).reshape(-1, 3)
    triangles = _distinct(np.array(faces, np.int32).reshape(-1, 3))
    if close_holes:
        triangles = close_small_holes(triangles)
    if drop_unused:
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
    salvage = Salvage()
    salvage.add(np.append(sequence, END))
    return *salvage.woven(), salvage.notes()


def _distinct(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The first of the faces that have the same three vertices."""
    if not len(faces):
        return faces
    first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]
    return faces[np.sort(first)]
