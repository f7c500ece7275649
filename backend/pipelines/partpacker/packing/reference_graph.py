# SPDX-License-Identifier: GPL-3.0-or-later
"""Contraction by listing all simple cycles, as published (SPEC 10.4.2-3): exponential, kept for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .graph import Adjacency, Edge, build_adjacency, number_groups

MOST_DEGREES = 100
"""With a larger sum of degrees nothing is contracted, and parts in contact may share a volume."""


def is_skipped(contacts: Mapping[Edge, float]) -> bool:
    return 2 * len(contacts) > MOST_DEGREES


def contract_all_odd_cycles(node_count: int, contacts: Mapping[Edge, float]) -> list[int]:
    """Return the group of every node after contracting the deepest edge of each odd cycle.

    Cycles count once per set of nodes and lose the edges that other cycles contracted. Ties go to the pair with
    the largest indices, as they do there for parts whose order the hash seed does not change.
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
    """Return the edges of one simple cycle per set of nodes that has one."""
    cycles: dict[frozenset[int], set[Edge]] = {}
    for start in reversed(range(len(adjacency))):
        for path in _paths_back(adjacency, [start]):
            nodes = frozenset(path)
            if nodes not in cycles:
                edges = zip(path, path[1:] + path[:1], strict=True)
                cycles[nodes] = {(min(edge), max(edge)) for edge in edges}
    return list(cycles.values())


def _paths_back(adjacency: Adjacency, path: list[int]) -> Iterator[list[int]]:
    """Yield the simple cycles through ``path`` whose largest node is its first."""
    for neighbor in sorted(adjacency[path[-1]], reverse=True):
        if neighbor == path[0] and len(path) >= 3:
            yield path
        elif neighbor < path[0] and neighbor not in path:
            yield from _paths_back(adjacency, [*path, neighbor])


def _join(root: list[int], first: int, second: int) -> None:
    """Give both nodes' groups the smaller of their two roots."""
    low, high = sorted((root[first], root[second]))
    root[:] = [low if value == high else value for value in root]
