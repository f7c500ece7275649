# SPDX-License-Identifier: GPL-3.0-or-later
"""The published repair of a decoded mesh: surplus faces go, small holes are closed.

See docs/algorithms/silksong.md, section 6.

It closes every border of up to six edges, so a lone quad or a fan of triangles becomes double-sided.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ....geometry.components import directed_edges, edge_runs
from ....geometry.manifold_repair.link import CycleSearch, link_graph, longest_path
from ....geometry.manifold_repair.splitting import MOST_STEPS

PATCHES = {
    3: ((0, 1, 2),),
    4: ((0, 3, 1), (2, 1, 3)),
    5: ((0, 2, 1), (0, 3, 2), (0, 4, 3)),
    6: ((0, 2, 1), (0, 3, 2), (0, 5, 3), (5, 4, 3)),
}
"""Triangles over the positions of a border loop, by its length."""


def close_small_holes(faces: NDArray[np.integer]) -> NDArray[np.int32]:
    """Faces int [F, 3] without those that no cycle or chain around a vertex holds, and with patches; int32 [G, 3]."""
    corners: list[list[int]] = np.asarray(faces).tolist()
    incident: dict[int, list[int]] = {}
    for face, vertices in enumerate(corners):
        for vertex in vertices:
            incident.setdefault(vertex, []).append(face)
    excluded: set[int] = set()
    border = nx.Graph()
    search = CycleSearch(MOST_STEPS)
    for vertex in sorted(incident):
        around = [(face, corners[face]) for face in incident[vertex] if face not in excluded]
        if around:
            kept, ends = _strongest(link_graph(vertex, around), search)
            excluded.update(face for face, _ in around if face not in kept)
            border.add_edges_from((min(vertex, end), max(vertex, end)) for end in ends)
    whole = [face for index, face in enumerate(corners) if index not in excluded]
    return np.array(whole + _patches(border), np.int32).reshape(-1, 3)


def close_parts(faces: NDArray[np.integer]) -> NDArray[np.int32]:
    """Faces int [F, 3] of which every part that is not closed is repaired, if that closes it; int32 [G, 3].

    For what should be closed: tokens say which vertices are neighbors, not which faces there are, so that a decoded
    part may have a face too many inside or lack a small one. Parts that the repair does not close stay as they are.
    """
    if not len(faces):
        return np.asarray(faces, np.int32)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(faces.max() + 1,) * 2)
    part_of = connected_components(graph, directed=False)[1][faces[:, 0]]
    parts = [faces[part_of == part] for part in np.unique(part_of)]
    return np.concatenate([part if is_closed(part) else _closed_or_same(part) for part in parts])


def _closed_or_same(part: NDArray[np.int32]) -> NDArray[np.int32]:
    repaired = close_small_holes(part)
    return repaired if is_closed(repaired) else part


def is_closed(faces: NDArray[np.integer]) -> bool:
    """Whether every edge of faces int [F, 3], of which there are any, belongs to exactly two."""
    return bool(len(faces)) and bool((edge_runs(directed_edges(faces))[2] == 2).all())


def _strongest(link: nx.Graph, search: CycleSearch) -> tuple[set[int], list[int]]:
    """The faces of the longest cycle; without a cycle those of every component's longest path, and the paths' ends."""
    cycles, paths = [], []
    for nodes in nx.connected_components(link):
        if nx.is_tree(link.subgraph(nodes)):
            paths.append(longest_path(link, nodes))
        else:
            cycles.append(search.best(link, nodes, lambda cycle: (len(cycle),)))
    if cycles:
        longest = max(cycles, key=len)
        return {link.edges[edge]["face"] for edge in zip(longest, [*longest[1:], longest[0]], strict=True)}, []
    edges = [edge for path in paths for edge in nx.utils.pairwise(path)]
    return {link.edges[edge]["face"] for edge in edges}, [end for path in paths for end in (path[0], path[-1])]


def _patches(border: nx.Graph) -> list[list[int]]:
    """Triangles over every simple cycle of up to six border edges."""
    triangles = []
    for nodes in list(nx.connected_components(border)):
        part = border.subgraph(nodes)
        if nx.is_tree(part):
            continue
        for cycle in nx.simple_cycles(part, length_bound=max(PATCHES)):
            triangles += [[cycle[i] for i in triangle] for triangle in PATCHES.get(len(cycle), ())]
    return triangles
