# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces that a layer closes, from links alone (docs/algorithms/silksong.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import networkx as nx

Links = list[set[int]]
"""For every position of a layer the linked positions: symmetric, and a position is linked with itself."""


def layer_faces(
    layer: list[int], links: Links, previous: list[int], previous_links: Links | None, rows: list[set[int]]
) -> list[tuple[int, int, int]]:
    """Faces within ``layer`` and between it and ``previous`` (vertex ids), counter-clockwise where links show that.

    ``rows`` holds for every position of the layer the linked positions of the previous one; ``previous_links`` None
    takes all of those as linked.
    """
    faces = [(layer[a], layer[c], layer[b]) for a, b, c in _triangles(links)]
    for vertex, row in zip(layer, rows, strict=True):
        for a, b in _neighboring(sorted(row), len(previous)):
            if previous_links is None or b in previous_links[a]:
                faces.append((vertex, previous[b], previous[a]))
    columns: list[list[int]] = [[] for _ in previous]
    for position, row in enumerate(rows):
        for other in row:
            columns[other].append(position)
    for vertex, column in zip(previous, columns, strict=True):
        for a, b in _neighboring(column, len(layer)):
            if b in links[a]:
                faces.append((vertex, layer[a], layer[b]))
    return faces


def _triangles(links: Links) -> Iterator[tuple[int, int, int]]:
    """Cycles of three in the cycle basis of the layer's own links, positions ascending."""
    edges = [(i, j) for i, row in enumerate(links) for j in sorted(row) if i < j]
    if len(edges) < 3:
        return
    for cycle in nx.cycle_basis(nx.Graph(edges)):
        if len(cycle) == 3:
            a, b, c = sorted(cycle)
            yield a, b, c


def _neighboring(positions: list[int], size: int) -> Iterable[tuple[int, int]]:
    """Pairs of consecutive ``positions`` (ascending) around a ring of ``size``; two give one pair, the nearer way."""
    if len(positions) < 2:
        return ()
    if len(positions) == 2:
        a, b = positions
        return ((b, a) if 2 * (b - a) > size else (a, b),)
    return [*pairwise(positions), (positions[-1], positions[0])]
