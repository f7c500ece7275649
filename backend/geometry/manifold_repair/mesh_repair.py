# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair of a mesh: every edge with at most two faces, every vertex with one fan, one winding.

See docs/algorithms/silksong.md, section 3.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...contract import BadInput, MeshData
from ..normalization import Normalization
from .grid_mesh import FINEST, GridMesh, snap
from .orientation import cut_open, repair_winding
from .splitting import SplitLimits, SplitMesh, split_non_manifold

RESOLUTION = 1024
"""Cells per axis; vertices of one cell become one."""
CELLS_PER_EDGE = 8
"""Along the edges of a mesh that fills its box evenly, at the least."""
LONGEST_SIDE = 1.9
"""Longest side of the mesh in the frame of the grid [-1, 1]^3."""


@dataclass(frozen=True)
class Repaired:
    """A repaired mesh in the frame of the one given."""

    vertices: NDArray[np.float64]
    """float64 [V, 3]."""
    faces: NDArray[np.int32]
    """int32 [F, 3]."""
    parts: NDArray[np.int32]
    """Which part every face belongs to, int32 [F]; parts meet nowhere in a vertex that was manifold."""
    notes: tuple[str, ...]
    """What was changed, and what the bounds left."""


def repair(
    vertices: ArrayLike,
    faces: ArrayLike,
    *,
    time_limit_s: float = 60.0,
    resolution: int | None = None,
) -> Repaired:
    """Repair a mesh of float [V, 3] and int [F, 3].

    Vertices keep their positions and unused ones are dropped; those of one cell of a grid become one, which has
    ``resolution`` cells along the longest side, by default more for denser meshes. Surfaces with only one side are cut
    open; the search for the best split is bounded, and ends after ``time_limit_s`` seconds. Raises BadInput for a mesh
    without extent.
    """
    deadline = time.monotonic() + time_limit_s
    positions = np.asarray(vertices, np.float64).reshape(-1, 3)
    triangles = np.asarray(faces, np.int64).reshape(-1, 3)
    normalization = normalize(positions)
    resolution = resolution or fitting_resolution(len(triangles))
    with_area = triangles[MeshData(positions, triangles).area_vectors().any(axis=1)]
    snapped = snap(normalization.apply(positions), with_area, resolution, smallest_area=0.0)
    split = split_non_manifold(snapped, SplitLimits(deadline=deadline))
    wound, seam = _wind(split.mesh)
    used = np.zeros(len(wound.vertices), bool)
    used[wound.faces] = True
    return Repaired(
        vertices=positions[wound.source][used],
        faces=(np.cumsum(used) - 1)[wound.faces].astype(np.int32),
        parts=np.unique(split.labels, return_inverse=True)[1].astype(np.int32),
        notes=_notes(len(triangles), split, seam),
    )


def fitting_resolution(face_count: int) -> int:
    """A power of two, so that the cells of the grid are several times smaller than the faces of an even mesh."""
    wanted = CELLS_PER_EDGE * math.sqrt(max(face_count, 1) / 2)
    return min(max(RESOLUTION, 2 ** math.ceil(math.log2(wanted))), FINEST)


def normalize(vertices: NDArray[np.float64], longest_side: float = LONGEST_SIDE) -> Normalization:
    """The map to the frame of the grid. Raises BadInput for vertices that are none, in one place or not finite."""
    try:
        return Normalization.to_box((vertices.min(axis=0), vertices.max(axis=0)), longest_side)
    except ValueError as error:
        raise BadInput(
            "The mesh cannot be used.",
            "It has no extent, or coordinates that are not numbers.",
            "Select another mesh, or apply its scale.",
        ) from error


def _wind(mesh: GridMesh) -> tuple[GridMesh, int]:
    """Wind consistently; the mesh, and the edges of seams that this took."""
    faces, contradictions = repair_winding(mesh.faces)
    if not contradictions:
        return mesh.with_faces(faces), 0
    mesh, seam = cut_open(mesh)
    faces, _ = repair_winding(mesh.faces)
    return mesh.with_faces(faces), seam


def _notes(face_count: int, split: SplitMesh, seam: int) -> tuple[str, ...]:
    mesh = split.mesh
    copies = len(mesh.source) - len(np.unique(mesh.source))
    counts = (
        (face_count - len(mesh.faces), "repeated faces, or faces without area, were dropped."),
        (copies, "copies of vertices separate what met in an edge of more than two faces or in one point."),
        (seam, "edges were cut to open surfaces with only one side."),
        (split.searches_stopped, "dense vertices were split by the best of the cycles seen."),
        (split.detached, "vertices were not reached in time; their faces were separated without a search."),
    )
    return tuple(f"{count} {what}" for count, what in counts if count)
