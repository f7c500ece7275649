# SPDX-License-Identifier: GPL-3.0-or-later
"""Dual volume packing as published: all simple cycles are listed, ties follow a hash seed, the center is unscaled.

The product contracts one odd cycle after the other and breaks ties by name (docs/algorithms/partpacker.md, section 8).
"""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import trimesh
from trimesh.collision import CollisionManager

from backend.geometry.normalization import Normalization
from backend.geometry.packing.contact import dilated
from backend.geometry.packing.graph import Edge, color_groups, group_neighbors, number_groups
from backend.geometry.packing.grouping import group_parts
from backend.geometry.packing.pack import PackOptions, stitch_part
from backend.geometry.packing.parts import PackedPart, merge_parts, normalization_of

MOST_DEGREES = 100
"""With a larger sum of degrees nothing is contracted, and parts in contact may share a volume."""
DEPTH_DIGITS = 6
"""Decimals of a depth that count: contacts that are equal but for rounding are ties."""

Volumes = list[list[tuple[str, ...]]]
"""The groups of each volume by the names of their members."""


def prepared_parts(parts: Sequence[PackedPart]) -> list[PackedPart]:
    """Parts as they are packed: scaled, shifted by the center before scaling (the fault), grouped and stitched."""
    right = normalization_of(parts)
    published = Normalization(right.center / right.scale, right.scale)
    scaled = [
        PackedPart(part.members, trimesh.Trimesh(published.apply(part.mesh.vertices), part.mesh.faces, process=False))
        for part in parts
    ]
    return [PackedPart(part.members, stitch_part(part.mesh)) for part in group_parts(scaled)]


def contact_depths(parts: Sequence[PackedPart]) -> dict[Edge, list[float]]:
    """All depths that the collision library reports for each pair of dilated parts, in its order."""
    manager = CollisionManager()
    for number, part in enumerate(parts):
        manager.add_object(str(number), dilated(part.mesh, PackOptions().dilation))
    depths: dict[Edge, list[float]] = {}
    for contact in manager.in_collision_internal(return_data=True)[1]:
        first, second = sorted(map(int, contact.names))
        depths.setdefault((first, second), []).append(contact.depth)
    return depths


def is_skipped(contacts: Mapping[Edge, float]) -> bool:
    return 2 * len(contacts) > MOST_DEGREES


def published_volumes(parts: Sequence[PackedPart], contacts: Mapping[Edge, float], seed: int) -> Volumes:
    """The two volumes of prepared parts. `seed` stands for the hash seed: it orders what is equal."""
    group_of = list(range(len(parts)))
    if not is_skipped(contacts):
        group_of = _contracted(len(parts), contacts, random.Random(seed))
    groups = _merged(parts, group_of)
    distance = [round(float(np.linalg.norm(group.mesh.bounds.mean(axis=0))), 9) for group in groups]
    order = sorted(range(len(groups)), key=lambda group: (distance[group], groups[group].members))
    color = color_groups(group_neighbors(group_of, contacts), order)
    return [[groups[i].members for i in order if color[i] == volume] for volume in (0, 1)]


def _contracted(count: int, contacts: Mapping[Edge, float], draws: random.Random) -> list[int]:
    """The group of every part after each odd cycle lost its deepest edge, which other cycles lose with it."""
    cycles = _cycles_by_nodes(count, contacts, draws)
    root = list(range(count))
    while any(len(cycle) % 2 for cycle in cycles):
        for cycle in cycles:
            if len(cycle) % 2 == 0:
                continue
            edges = draws.sample(sorted(cycle), len(cycle))
            deepest = max(edges, key=lambda edge: round(contacts[edge], DEPTH_DIGITS))
            for other in cycles:
                other.discard(deepest)
            low, high = sorted((root[deepest[0]], root[deepest[1]]))
            root = [low if value == high else value for value in root]
    return number_groups(root)


def _cycles_by_nodes(count: int, contacts: Mapping[Edge, float], draws: random.Random) -> list[set[Edge]]:
    """The edges of one simple cycle per set of nodes that has one: the first that depth-first search finds."""
    neighbors: list[list[int]] = [[] for _ in range(count)]
    for first, second in contacts:
        neighbors[first].append(second)
        neighbors[second].append(first)
    for nodes in neighbors:
        draws.shuffle(nodes)
    cycles: dict[frozenset[int], set[Edge]] = {}
    starts = draws.sample(range(count), count)
    for number, start in enumerate(starts):
        allowed = set(starts[number:])
        stack = [[start]]
        while stack:
            path = stack.pop()
            for neighbor in neighbors[path[-1]]:
                if neighbor == start and len(path) >= 3:
                    edges = zip(path, path[1:] + path[:1], strict=True)
                    cycles.setdefault(frozenset(path), {(min(edge), max(edge)) for edge in edges})
                elif neighbor in allowed and neighbor not in path:
                    stack.append([*path, neighbor])
    return list(cycles.values())


def _merged(parts: Sequence[PackedPart], group_of: Sequence[int]) -> list[PackedPart]:
    members: list[list[PackedPart]] = [[] for _ in range(max(group_of) + 1)]
    for part, group in zip(parts, group_of, strict=True):
        members[group].append(part)
    return [merge_parts(group) if len(group) > 1 else group[0] for group in members]
