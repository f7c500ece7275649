# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh to tokens (docs/algorithms/silksong.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ....geometry.manifold_repair.grid_mesh import GridMesh, snap
from ....geometry.manifold_repair.mesh_repair import LONGEST_SIDE, normalize
from ....geometry.manifold_repair.orientation import cut_open, repair_winding
from ....geometry.manifold_repair.splitting import SplitLimits, split_non_manifold
from ....geometry.normalization import Normalization
from .layer_tokens import place_tokens, previous_layer_tokens, same_layer_tokens
from .rings import sorted_components, vertex_layers, vertex_rings
from .vocabulary import COMPONENT, END_COMPONENT, NEXT_LAYER, RESOLUTION

MOST_FACES_PER_VERTEX = 50
MOST_NON_MANIFOLD_VERTICES = 300


class Mesh(Protocol):
    """Vertices float [V, 3], y up, and faces int [F, 3]."""

    @property
    def vertices(self) -> NDArray[np.floating]: ...
    @property
    def faces(self) -> NDArray[np.integer]: ...


@dataclass(frozen=True)
class Tokens:
    """A mesh as a sequence, without the end token."""

    ids: NDArray[np.int64]
    """int64 [T], each below 10267."""
    normalization: Normalization
    """From the mesh's frame to that of the tokens."""
    notes: tuple[str, ...]
    """What of the mesh the sequence does not say, or says otherwise."""


def encode(mesh: Mesh, *, longest_side: float = LONGEST_SIDE) -> Tokens:
    """Tokenize a mesh, whose longest side becomes ``longest_side`` (at most 1.9) in the frame of the tokens.

    Surfaces that are not orientable are cut open. Raises BadInput for a mesh without a part of three connected faces,
    and for one beyond the limits of the vocabulary or of the published tokenizer.
    """
    normalization, surface = prepare(mesh, longest_side=longest_side)
    return surface_tokens(surface, normalization)


def surface_tokens(surface: WoundMesh, normalization: Normalization) -> Tokens:
    """Tokenize a prepared surface. Raises BadInput as `encode` does."""
    components = sorted_components(surface.mesh)
    tokens: list[int] = []
    kept = said = 0
    for faces in components.faces:
        rings = vertex_rings(faces)
        x, y, z = surface.mesh.vertices[faces[0]].T
        start = int(faces[0][np.lexsort((x, z, y))[0]])
        layers = vertex_layers(start, rings)
        tokens += _component_tokens(layers, rings, surface.mesh.vertices)
        reached = np.zeros(len(surface.mesh.vertices), bool)
        reached[[vertex for layer in layers for vertex in layer]] = True
        kept += len(faces)
        said += int(reached[faces].all(axis=1).sum())
    notes = list(surface.notes)
    if components.dropped:
        notes.append(f"{components.dropped} parts of fewer than three faces were dropped.")
    if said < kept:
        notes.append(f"{kept - said} faces cannot be reached layer by layer and were dropped.")
    return Tokens(np.array(tokens, np.int64), normalization, tuple(notes))


@dataclass(frozen=True)
class WoundMesh:
    """A manifold mesh of consistent winding on the grid."""

    mesh: GridMesh
    notes: tuple[str, ...]


def prepare(mesh: Mesh, *, longest_side: float = LONGEST_SIDE) -> tuple[Normalization, WoundMesh]:
    """Normalize, snap to the grid, make manifold and wind consistently; see section 3. Raises BadInput."""
    vertices = np.asarray(mesh.vertices, np.float64).reshape(-1, 3)
    faces = np.asarray(mesh.faces).reshape(-1, 3)
    normalization = normalize(vertices, longest_side)
    snapped = snap(normalization.apply(vertices), faces, RESOLUTION)
    split = split_non_manifold(snapped, SplitLimits(MOST_FACES_PER_VERTEX, MOST_NON_MANIFOLD_VERTICES))
    grid, notes = split.mesh, []
    if split.searches_stopped:
        notes.append(f"The best split of {split.searches_stopped} dense vertices was not searched to the end.")
    faces, contradictions = repair_winding(grid.faces)
    if contradictions:
        grid, seam = cut_open(grid)
        faces, _ = repair_winding(grid.faces)
        notes.append(f"A surface with only one side was cut open along {seam} edges.")
    return normalization, WoundMesh(grid.with_faces(faces), tuple(notes))


def _component_tokens(layers: list[list[int]], rings: dict[int, list[int]], cells: NDArray[np.int64]) -> list[int]:
    start = layers[0][0]
    tokens = [COMPONENT, *place_tokens(*cells[start].tolist())]
    previous = {start: 0}
    for layer in layers[1:]:
        tokens.append(NEXT_LAYER)
        position_of = {vertex: position for position, vertex in enumerate(layer)}
        places = cells[layer].tolist()
        size = len(layer)
        for position, vertex in enumerate(layer):
            ring = rings[vertex]
            tokens += place_tokens(*places[position])
            offsets = [(position_of[other] - position) % size for other in ring if other in position_of]
            tokens += same_layer_tokens(offsets, size)
            tokens += previous_layer_tokens([previous[other] for other in ring if other in previous])
        previous = position_of
    return [*tokens, END_COMPONENT]
