# SPDX-License-Identifier: GPL-3.0-or-later
"""From tokens to a mesh, whole or as much of it as is intact (docs/algorithms/silksong.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....geometry.manifold_repair.grid_mesh import cell_centers
from .salvage import Salvage
from .vocabulary import END, RESOLUTION


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


def decode(tokens: ArrayLike) -> DecodedMesh:
    """The mesh of a sequence int [T]; the end token and -1 end it.

    Each component is built by itself up to where a vertex is malformed, links out of place are passed over, vertices
    without a face are dropped, and nothing raises.
    """
    salvage = Salvage()
    salvage.add(np.append(np.asarray(tokens, np.int64).ravel(), END))
    return mesh_so_far(salvage)


def mesh_so_far(salvage: Salvage) -> DecodedMesh:
    """The mesh of a sequence that may not have ended yet; of one that has, that of `decode`."""
    cells, faces = salvage.mesh()
    places = np.array(cells, np.int32).reshape(-1, 3)
    triangles = distinct(np.array(faces, np.int32).reshape(-1, 3))
    used = np.zeros(len(places), bool)
    used[triangles] = True
    places, triangles = places[used], (np.cumsum(used) - 1).astype(np.int32)[triangles]
    vertices = cell_centers(places, RESOLUTION).astype(np.float32)
    return DecodedMesh(vertices, triangles, places, tuple(salvage.notes()))


def distinct(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The first of the faces that have the same three vertices."""
    if not len(faces):
        return faces
    first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]
    return faces[np.sort(first)]
