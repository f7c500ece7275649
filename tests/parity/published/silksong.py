# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's tokenizer, decoder and manifold tool where they differ from ours.

The published tokenizer refuses surfaces with only one side and searches without bound; the published decoder stops at
the first damaged token; the published tool keeps every vertex, on its grid (docs/algorithms/silksong.md, sections 2
to 6).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.manifold_repair.grid_mesh import GridMesh, cell_centers, snap
from backend.geometry.manifold_repair.mesh_repair import normalize
from backend.geometry.manifold_repair.orientation import repair_winding
from backend.geometry.manifold_repair.splitting import SplitLimits, split_non_manifold
from backend.pipelines.silksong.tokenizer import vocabulary
from backend.pipelines.silksong.tokenizer.decode import distinct
from backend.pipelines.silksong.tokenizer.encode import (
    MOST_FACES_PER_VERTEX,
    MOST_NON_MANIFOLD_VERTICES,
    Mesh,
    WoundMesh,
    surface_tokens,
)
from backend.pipelines.silksong.tokenizer.mesh_builder import Malformed, MeshBuilder

TOOL_FACES_PER_VERTEX, TOOL_NON_MANIFOLD_VERTICES = 100, 500


@dataclass(frozen=True)
class Manifold:
    """A mesh after splitting, and after its winding was repaired.

    Attributes:
        split: the mesh on the grid as it was wound; its vertices are cells.
        faces: int64 [F, 3], consistently wound where `contradictions` is 0.
        contradictions: faces whose neighbors disagree about their winding.
        labels: int64 [F], equal for the faces of one color.
    """

    split: GridMesh
    faces: NDArray[np.int64]
    contradictions: int
    labels: NDArray[np.int64]


def manifold(vertices: NDArray, faces: NDArray, resolution: int, limits: SplitLimits) -> Manifold:
    """Normalized, snapped, split without a bound on the search, and wound; BadInput beyond `limits`."""
    snapped = snap(normalize(vertices).apply(vertices), faces, resolution)
    split = split_non_manifold(snapped, limits)
    wound, contradictions = repair_winding(split.mesh.faces)
    return Manifold(split.mesh, wound, contradictions, split.labels)


def tokenizer_manifold(mesh: Mesh) -> Manifold:
    """The tokenizer's first steps."""
    limits = SplitLimits(MOST_FACES_PER_VERTEX, MOST_NON_MANIFOLD_VERTICES, most_steps=math.inf)
    return manifold(mesh.vertices, mesh.faces, vocabulary.RESOLUTION, limits)


def tool_manifold(vertices: NDArray, faces: NDArray, resolution: int) -> Manifold:
    """The separate manifold tool."""
    limits = SplitLimits(TOOL_FACES_PER_VERTEX, TOOL_NON_MANIFOLD_VERTICES, most_steps=math.inf)
    return manifold(vertices, faces, resolution, limits)


def tool_positions(mesh: GridMesh, resolution: int, vertices: NDArray) -> NDArray[np.float64]:
    """Positions of all vertices in the frame of the given ones: centers of cells, unused vertices too."""
    return normalize(vertices).invert(cell_centers(mesh.vertices, resolution))


def published_tokens(mesh: Mesh) -> NDArray[np.int64]:
    """Tokens of a mesh whose surfaces have two sides. Raises BadInput as ours does."""
    prepared = tokenizer_manifold(mesh)
    return surface_tokens(WoundMesh(prepared.split.with_faces(prepared.faces), ()), normalize(mesh.vertices)).ids


@dataclass(frozen=True)
class PublishedMesh:
    """Cells int32 [V, 3], all of them, and faces int32 [F, 3]."""

    cells: NDArray[np.int32]
    faces: NDArray[np.int32]

    @property
    def vertices(self) -> NDArray[np.float32]:
        return cell_centers(self.cells, vocabulary.RESOLUTION).astype(np.float32)


def published_decode(tokens: NDArray) -> PublishedMesh:
    """The mesh up to the first damaged token. Raises IndexError for a link or a layer before what it refers to."""
    builder = _PublishedBuilder()
    try:
        builder.build(np.asarray(tokens).ravel().tolist())
    except Malformed as stop:
        if isinstance(stop, IndexError):
            raise
    faces = distinct(np.array(builder.faces, np.int32).reshape(-1, 3))
    return PublishedMesh(np.array(builder.cells, np.int32).reshape(-1, 3), faces)


class _OutOfPlaceError(Malformed, IndexError):
    """Where the published decoder loses the whole mesh."""


class _PublishedBuilder(MeshBuilder):
    """Layers survive the start of a component, and tokens out of place that ours passes over end the mesh."""

    def __init__(self) -> None:
        super().__init__()
        self._has_component = False

    def _begin_component(self) -> None:
        self._has_component = self._is_first_layer = True

    def _add_vertex(self, token: int) -> None:
        super()._add_vertex(min(token, vocabulary.END - 1))
        if token >= vocabulary.END:  # an end token after a block is not told from an offset
            offset, size = token - vocabulary.OFFSET, vocabulary.CELLS_PER_BLOCK
            places = (offset // size**2, offset // size % size, offset % size)
            x, y, z = (cell // size * size + place for cell, place in zip(self.cells[-1], places, strict=True))
            self.cells[-1] = (x, y, z)

    def _add_link(self, token: int) -> None:
        if not self._layer:
            raise _OutOfPlaceError("a link before any vertex")
        super()._add_link(token)

    def _close_layer(self) -> None:
        if not self._has_component:
            raise _OutOfPlaceError("a layer before any component")
        if self._is_first_layer and not self._layer:
            self._is_first_layer = False
            self._previous, self._previous_links = [], None
            return
        super()._close_layer()

    def _window_offsets(self, first: list[int], size: int) -> list[int]:
        if first and first[0] < vocabulary.SAME_LAYER:  # a long-range link is read as if it were a window code
            first = [first[0] - vocabulary.LONG_RANGE + vocabulary.SAME_LAYER]
        return super()._window_offsets(first, size)

    def _pass_over(self, reason: Malformed) -> None:
        raise reason
