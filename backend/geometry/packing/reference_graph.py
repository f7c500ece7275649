# SPDX-License-Identifier: GPL-3.0-or-later
"""Contraction by listing all simple cycles, as published (SPEC 10.4.2-3), kept for comparison.

There may be exponentially many of them even among 50 contacts, so the search for them is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from .graph import Adjacency, Edge, build_adjacency, number_groups

MOST_DEGREES = 100
"""With a larger sum of degrees nothing is contracted, and parts in contact may share a volume."""
MOST_STEPS = 200_000
"""Paths that the search for cycles may walk: under a second. Nine parts that all touch take 126 thousand."""


class TooManyCyclesError(Exception):
    """The graph has too many paths for all its cycles to be listed."""



def is_skipped(contacts: Mapping[Edge, float]) -> bool:
    return 2 * len(contacts) > MOST_DEGREES


def contract_all_odd_cycles(node_count: int, contacts: Mapping[Edge, float]) -> list[int]:
    """Return the group of every node after contracting the deepest edge of each odd cycle.

    Cycles count once per set of nodes and lose the edges that other cycles contracted. They are listed from the last
    node on, since the published tool reads its parts from the last to the first. Ties go to the pair with the largest
    indices. Raises TooManyCyclesError.
    """
    adjacency = build_adjacency(node_count, contacts)
    cycles = _cycles_by_nodes(adjacency)
    root = list(range(node_count))
    while any(len(cycle) % 2 for cycle in cycles):
        for cycle in cycles:
            if len(cycle) % 2 == 0:
                continue
            deepest = max(cycle, key=lambda edge: (adjacency[edge[0]][edge[1]], edge))
            for other in cycles:
                other.discard(deepest)
            _join(root, *deepest)
    return number_groups(root)


def _cycles_by_nodes(adjacency: Adjacency) -> list[set[Edge]]:
    """Return the edges of one simple cycle per set of nodes that has one, that found first."""
    cycles: dict[frozenset[int], set[Edge]] = {}
    neighbors = [sorted(depths) for depths in adjacency]
    steps = count(1)
    for start in reversed(range(len(adjacency))):
        for path in _paths_back(neighbors, [start], steps):
            nodes = frozenset(path)
            if nodes not in cycles:
                edges = zip(path, path[1:] + path[:1], strict=True)
                cycles[nodes] = {(min(edge), max(edge)) for edge in edges}
    return list(cycles.values())


def _paths_back(neighbors: list[list[int]], path: list[int], steps: Iterator[int]) -> Iterator[list[int]]:
    """Yield the simple cycles through ``path`` whose largest node is its first. ``steps`` counts the paths walked."""
    if next(steps) > MOST_STEPS:
        raise TooManyCyclesError
    for neighbor in neighbors[path[-1]]:
        if neighbor == path[0] and len(path) >= 3:
            yield path
        elif neighbor < path[0] and neighbor not in path:
            yield from _paths_back(neighbors, [*path, neighbor], steps)


def _join(root: list[int], first: int, second: int) -> None:
    """Give both nodes' groups the smaller of their two roots."""
    low, high = sorted((root[first], root[second]))
    root[:] = [low if value == high else value for value in root]
