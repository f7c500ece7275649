# SPDX-License-Identifier: GPL-3.0-or-later
"""Which edges of a cube share a dual vertex, for each of the 256 ways its corners can be inside, derived by one rule.

Corner m of a cube lies at (m & 1, m >> 1 & 1, m >> 2 & 1) along (x, y, z); case c has corner m inside if bit m is set.
The rule: on every face, the two edges that change sign are joined; where all four do, those that meet at an inside
corner are, so that inside corners of such an ambiguous face are separated. What is connected is one vertex.
"""

from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

CASES = 256
CORNERS = np.array([[m & 1, m >> 1 & 1, m >> 2 & 1] for m in range(8)])
"""Offset of each corner, [8, 3]."""
EDGES = np.array([
    [0, 1], [1, 5], [4, 5], [0, 4], [2, 3], [3, 7], [6, 7], [2, 6], [2, 0], [3, 1], [7, 5], [6, 4],
])
"""First and second corner of each edge, [12, 2]. Cubes that share an edge agree on its direction."""
MOST_VERTICES = 4
"""Dual vertices of a cube at the most."""
LEAST_INSIDE_OF_FLAGGED = 5


@cache
def inside_corners() -> NDArray[np.bool_]:
    """Which corners are inside, [256, 8]."""
    return (np.arange(CASES)[:, None] >> np.arange(8) & 1).astype(bool)


@cache
def edge_groups() -> NDArray[np.int64]:
    """The dual vertex, 0 to 3, of each edge of each case, [256, 12]; -1 for edges without a change of sign."""
    return np.array([_groups(inside) for inside in inside_corners()])


@cache
def vertex_counts() -> NDArray[np.int64]:
    """Dual vertices of each case, [256]."""
    return edge_groups().max(axis=1) + 1


@cache
def faces_to_repair() -> NDArray[np.int64]:
    """The offset to the neighbor across the ambiguous face of flagged cases, [256, 3]; zeros for the others.

    A case is flagged if it has exactly one ambiguous face and at least five corners inside. Where two such cubes
    meet at that face, both take the complement's grouping, or the surface would not be manifold between them.
    """
    offsets = np.zeros((CASES, 3), np.int64)
    for case, inside in enumerate(inside_corners()):
        ambiguous = [face for face in _FACES if _is_ambiguous(inside, face)]
        if len(ambiguous) == 1 and inside.sum() >= LEAST_INSIDE_OF_FLAGGED:
            axis, side, _ = ambiguous[0]
            offsets[case, axis] = 2 * side - 1
    return offsets


@cache
def edges_around(axis: int) -> NDArray[np.int64]:
    """Which edge of each of the four cubes around a grid edge along `axis` that grid edge is, [4].

    The cubes are in lexicographic order.
    """
    others = [other for other in range(3) if other != axis]
    found = []
    for before in ((1, 1), (1, 0), (0, 1), (0, 0)):
        for number, (first, second) in enumerate(EDGES):
            along = CORNERS[second] - CORNERS[first]
            if along[axis] and tuple(CORNERS[first][others]) == before:
                found.append(number)
    return np.array(found)


@cache
def first_end_offset(axis: int) -> int:
    """Whether the first end of edges along `axis` is the lower one (0) or the higher one (1)."""
    first, second = EDGES[edges_around(axis)[0]]
    return int(CORNERS[first][axis] > CORNERS[second][axis])


_FACES = tuple(
    (axis, side, tuple(np.flatnonzero(CORNERS[:, axis] == side).tolist())) for axis in range(3) for side in (0, 1)
)
"""Axis, side and corners of each face."""


def _is_ambiguous(inside: NDArray[np.bool_], face: tuple[int, int, tuple[int, ...]]) -> bool:
    """Whether the face's two diagonals differ: all four edges change sign."""
    return len(_crossing_edges(inside, face[2])) == 4


def _crossing_edges(inside: NDArray[np.bool_], corners: tuple[int, ...]) -> list[int]:
    """The edges between these corners that change sign."""
    return [
        number for number, (first, second) in enumerate(EDGES)
        if first in corners and second in corners and inside[first] != inside[second]
    ]


def _groups(inside: NDArray[np.bool_]) -> list[int]:
    label = [number if inside[first] != inside[second] else -1 for number, (first, second) in enumerate(EDGES)]
    for _, _, corners in _FACES:
        crossing = _crossing_edges(inside, corners)
        for one, other in combinations(crossing, 2):
            meeting = set(EDGES[one]) & set(EDGES[other])
            if len(crossing) == 2 or any(inside[corner] for corner in meeting):
                label = [label[one] if value == label[other] else value for value in label]
    names = sorted(set(label) - {-1})
    return [names.index(value) if value >= 0 else -1 for value in label]
