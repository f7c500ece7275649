# SPDX-License-Identifier: GPL-3.0-or-later
"""Two-coloring of a contact graph whose odd cycles are contracted (docs/algorithms/partpacker.md, section 8).

Standard library only: the procedural data generator calls :func:`color_two_volumes` once per drawn shape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

Edge = tuple[int, int]
Adjacency = list[dict[int, float]]
"""``adjacency[u][v]`` is the depth of the contact between u and v; symmetric, without self-loops."""


def build_adjacency(node_count: int, contacts: Mapping[Edge, float]) -> Adjacency:
    """Return the symmetric adjacency of ``contacts``; a pair listed both ways keeps its larger depth.

    Raises ValueError for a pair outside ``range(node_count)`` or of a part with itself.
    """
    adjacency: Adjacency = [{} for _ in range(node_count)]
    for (first, second), depth in contacts.items():
        if first == second or not (0 <= first < node_count and 0 <= second < node_count):
            raise ValueError(f"contact {(first, second)} is not a pair of two of the {node_count} parts")
        largest = max(depth, adjacency[first].get(second, depth))
        adjacency[first][second] = adjacency[second][first] = largest
    return adjacency


def find_odd_cycle(adjacency: Adjacency, nodes: Sequence[int]) -> list[int] | None:
    """Return the nodes of one odd cycle in cyclic order, or None where the graph on ``nodes`` is bipartite.

    Breadth-first from each node in the given order, neighbors by index: an edge inside one level closes an odd cycle
    through the lowest common ancestor of its ends.
    """
    level: dict[int, int] = {}
    parent: dict[int, int] = {}
    for root in nodes:
        if root in level:
            continue
        level[root] = 0
        queue = deque([root])
        while queue:
            node = queue.popleft()
            for neighbor in sorted(adjacency[node]):
                if neighbor not in level:
                    level[neighbor], parent[neighbor] = level[node] + 1, node
                    queue.append(neighbor)
                elif level[neighbor] == level[node]:
                    return _join_branches(parent, node, neighbor)
    return None


def _join_branches(parent: Mapping[int, int], left: int, right: int) -> list[int]:
    """Return the cycle made of the tree paths of two nodes of one level and the edge between them."""
    left_path, right_path = [left], [right]
    while left_path[-1] != right_path[-1]:
        left_path.append(parent[left_path[-1]])
        right_path.append(parent[right_path[-1]])
    return left_path + right_path[-2::-1]


def contract_odd_cycles(node_count: int, contacts: Mapping[Edge, float]) -> list[int]:
    """Merge nodes until the contact graph is bipartite; return the group of every node.

    While there is an odd cycle, the two ends of its deepest contact become one node (equal depths: the pair with the
    largest indices). A merged node keeps the largest depth to each neighbor. Every step removes one node, so at most
    ``node_count - 1`` breadth-first searches run. Groups are numbered by their smallest member. A bipartite graph is
    returned without any merging.
    """
    adjacency = build_adjacency(node_count, contacts)
    alive = list(range(node_count))
    merged_into = list(range(node_count))
    while (cycle := find_odd_cycle(adjacency, alive)) is not None:
        edges = [(min(a, b), max(a, b)) for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True)]
        kept, removed = max(edges, key=lambda edge: (adjacency[edge[0]][edge[1]], edge))
        _contract_edge(adjacency, kept, removed)
        alive.remove(removed)
        merged_into[removed] = kept
    return number_groups(merged_into)


def _contract_edge(adjacency: Adjacency, kept: int, removed: int) -> None:
    for neighbor, depth in adjacency[removed].items():
        del adjacency[neighbor][removed]
        if neighbor != kept:
            largest = max(depth, adjacency[kept].get(neighbor, depth))
            adjacency[kept][neighbor] = adjacency[neighbor][kept] = largest
    adjacency[removed].clear()


def number_groups(parent: Sequence[int]) -> list[int]:
    """Number the trees of a forest (``parent[i] <= i``; a root is its own parent) in order of their smallest node."""
    group_of: list[int] = []
    count = 0
    for node, above in enumerate(parent):
        if above == node:
            group_of.append(count)
            count += 1
        else:
            group_of.append(group_of[above])
    return group_of


def group_neighbors(group_of: Sequence[int], contacts: Mapping[Edge, float]) -> list[set[int]]:
    """Return, per group, the other groups it is in contact with."""
    neighbors: list[set[int]] = [set() for _ in range(max(group_of, default=-1) + 1)]
    for first, second in contacts:
        a, b = group_of[first], group_of[second]
        if a != b:
            neighbors[a].add(b)
            neighbors[b].add(a)
    return neighbors


def color_groups(neighbors: Sequence[set[int]], order: Sequence[int]) -> list[int]:
    """Color every group 0 or 1, breadth-first along ``order`` (docs/algorithms/partpacker.md, section 8).

    The first group of a new connected component gets the start color, which is 0 at first and flips with every
    component, so that loose parts spread over both volumes. In a bipartite graph neighbors get different colors.
    """
    rank = {group: position for position, group in enumerate(order)}
    color = [-1] * len(neighbors)
    start = 0
    for first in order:
        if color[first] >= 0:
            continue
        color[first] = start
        start = 1 - start
        queue = deque([first])
        while queue:
            group = queue.popleft()
            for neighbor in sorted(neighbors[group], key=rank.__getitem__):
                if color[neighbor] < 0:
                    color[neighbor] = 1 - color[group]
                    queue.append(neighbor)
    return color


def color_two_volumes(contacts: Mapping[Edge, float], order_key: Sequence[float]) -> tuple[list[int], list[int]]:
    """Assign parts to two volumes so that parts in contact lie in different volumes or in one group.

    Args:
        contacts: penetration depth of every pair of parts in contact, keyed by two part indices.
        order_key: one sort key per part, usually its distance from the origin; a group takes its smallest. Components
            of the graph are colored in this order, alternating their start volume. Ties go by index.

    Returns:
        ``group_of`` (per part) and ``volume_of_group`` (per group, 0 or 1).
    """
    group_of = contract_odd_cycles(len(order_key), contacts)
    group_key = [float("inf")] * (max(group_of, default=-1) + 1)
    for group, key in zip(group_of, order_key, strict=True):
        group_key[group] = min(group_key[group], key)
    order = sorted(range(len(group_key)), key=lambda group: (group_key[group], group))
    return group_of, color_groups(group_neighbors(group_of, contacts), order)
