# SPDX-License-Identifier: GPL-3.0-or-later
"""The link of one vertex, taken apart into cycles and chains of faces (docs/algorithms/silksong.md, section 3).

The link joins, for each face of the vertex, the face's two other vertices. Orders of enumeration are networkx's,
because the published tokenizer's results depend on them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

Edge = tuple[int, int]


def link_graph(vertex: int, faces: Iterable[tuple[int, list[int]]]) -> nx.Graph:
    """The link of ``vertex`` over its ``faces`` (index, corners); edge attribute ``face`` is the index."""
    graph = nx.Graph()
    for index, corners in faces:
        graph.add_edge(*sorted(corner for corner in corners if corner != vertex), face=index)
    return graph


@dataclass
class CycleSearch:
    """Looks for the best simple cycles of one mesh's links; a dense link has exponentially many, hence the bounds."""

    most_steps: float = math.inf
    """Vertices of cycles that all searches together may look at; each search, an eighth of what is left."""
    deadline: float = math.inf
    """Of `time.monotonic`."""
    stopped_early: int = 0
    """Searches that left cycles unseen; each has looked at one at least."""

    def best(self, graph: nx.Graph, nodes: Iterable[int], rank: Callable[[list[int]], tuple[int, ...]]) -> list[int]:
        """The first cycle over ``nodes`` that is longer than two and has the largest rank."""
        best: list[int] = []
        best_rank: tuple[int, ...] = ()
        left_to_others = self.most_steps * 7 / 8 if math.isfinite(self.most_steps) else -math.inf
        for cycle in nx.simple_cycles(graph.subgraph(nodes).to_directed()):
            if len(cycle) == 2:  # an edge, to and fro
                continue
            if best and (self.most_steps <= left_to_others or time.monotonic() > self.deadline):
                self.stopped_early += 1
                break
            self.most_steps -= len(cycle)
            cycle_rank = rank(cycle)
            if not best or cycle_rank > best_rank:
                best, best_rank = cycle, cycle_rank
        return best


def decompose(graph: nx.Graph, label_of: Callable[[int], int], search: CycleSearch) -> list[list[int]]:
    """Groups of the link's faces that are each one cycle or one chain; the first group keeps the vertex.

    ``label_of`` gives a face's label root, or -1. Every face is in one group.
    """
    cycles, chains = _cycles_and_chains(graph, label_of, search)
    groups: list[list[int]] = []
    loose: list[Edge] = []
    for cycle in cycles:
        _take_cycle(graph, cycle, groups, loose)
    groups += _take_chains(graph, chains, loose)
    grouped = {face for group in groups for face in group}
    # A set of pairs on purpose: its order is the published tokenizer's, and decides which copy a face gets.
    singles = [graph.edges[edge]["face"] for edge in set(loose)]
    return groups + [[face] for face in singles if face not in grouped]


def longest_path(graph: nx.Graph, nodes: Iterable[int]) -> list[int]:
    """The first longest path of the tree that ``nodes`` induce, by start in their order, then by breadth-first end."""
    tree = graph.subgraph(nodes)
    from_one_end = nx.single_source_shortest_path_length(tree, _farthest(tree, next(iter(tree))))
    other_end = max(from_one_end, key=from_one_end.__getitem__)
    from_other_end = nx.single_source_shortest_path_length(tree, other_end)
    longest = from_one_end[other_end]
    start = next(node for node in tree if max(from_one_end[node], from_other_end[node]) == longest)
    return nx.shortest_path(tree, start, _farthest(tree, start))


def _farthest(tree: nx.Graph, start: int) -> int:
    """The first of the nodes farthest from ``start``, breadth-first."""
    distances = nx.single_source_shortest_path_length(tree, start)
    return max(distances, key=distances.__getitem__)


def _cycles_and_chains(
    graph: nx.Graph, label_of: Callable[[int], int], search: CycleSearch
) -> tuple[list[list[int]], list[list[int]]]:
    """Node lists, peeled off a working copy until nothing is left."""
    rest = graph.copy()

    def rank(cycle: list[int]) -> tuple[int, ...]:
        labels = {label_of(face) for face in _cycle_faces(graph, cycle)} - {-1}
        return -len(labels), len(cycle)

    cycles, chains = [], []
    while rest:
        for nodes in list(nx.connected_components(rest)):
            part = rest.subgraph(nodes)
            if len(nodes) == 1:
                rest.remove_nodes_from(list(nodes))
            elif part.number_of_edges() >= len(nodes):
                cycles.append(search.best(rest, nodes, rank))
                rest.remove_nodes_from(cycles[-1])
            else:
                chains.append(longest_path(rest, nodes))
                rest.remove_nodes_from(chains[-1])
    return cycles, chains


def _take_cycle(graph: nx.Graph, cycle: list[int], groups: list[list[int]], loose: list[Edge]) -> None:
    """Append the cycle's faces as a group, then each chord as its own; edges that leave the cycle are loose."""
    on_cycle = set(cycle)
    faces = _cycle_faces(graph, cycle)
    groups.append(faces)
    taken = set(faces)
    for a, b, face in graph.edges(cycle, data="face"):
        if face in taken:
            continue
        if a in on_cycle and b in on_cycle:
            groups.append([face])
        else:
            loose.append(_sorted_edge(a, b))


def _take_chains(graph: nx.Graph, chains: list[list[int]], loose: list[Edge]) -> list[list[int]]:
    """Groups of the chains, each prolonged by one loose face at either end where there is one."""
    groups = [[graph.edges[edge]["face"] for edge in pairwise(chain)] for chain in chains]
    for chain, group in zip(chains, groups, strict=True):
        loose += [_sorted_edge(a, b) for a, b, face in graph.edges(chain, data="face") if face not in group]
    for chain, group in zip(chains, groups, strict=True):
        own = set(group)
        for end in (chain[0], chain[-1]):
            edge = next(((a, b) for a, b, face in graph.edges(end, data="face") if face not in own), None)
            if edge is not None:
                group.append(graph.edges[edge]["face"])
                loose[:] = [other for other in loose if other != _sorted_edge(*edge)]
    return groups


def _sorted_edge(a: int, b: int) -> Edge:
    return (a, b) if a < b else (b, a)


def _cycle_faces(graph: nx.Graph, cycle: list[int]) -> list[int]:
    return [graph.edges[edge]["face"] for edge in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
