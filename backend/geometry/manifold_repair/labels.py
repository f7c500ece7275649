# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of faces that grow together while vertices are split (docs/algorithms/silksong.md, section 3)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .vertex_fans import corner_edges


class FaceLabels:
    """A label for every face, -1 for none; labels are united by rank."""

    def __init__(self, faces: NDArray[np.int64], is_manifold: NDArray[np.bool_]) -> None:
        """Faces that are connected through manifold vertices (bool [V]) get one label, in order of lowest vertex."""
        edges = corner_edges(faces)
        edges = edges[is_manifold[edges].all(axis=1)]
        count = len(is_manifold)
        graph = coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
        vertex_labels = np.where(is_manifold, connected_components(graph, directed=False)[1], -1)
        self.of_face: list[int] = vertex_labels[faces].max(axis=1).tolist()
        self._parent = list(range(count))
        self._rank = [0] * count

    def root(self, face: int) -> int:
        """The label that stands for all labels united with this face's; -1 for a face without."""
        label = self.of_face[face]
        if label < 0:
            return -1
        while self._parent[label] != label:
            label = self._parent[label]
        return label

    def unite(self, group: list[int]) -> int:
        """Unite the labels of a group of faces; the root, or -1 when none has a label."""
        labeled = [face for face in group if self.of_face[face] >= 0]
        for first, second in pairwise(labeled):
            a, b = self.root(first), self.root(second)
            if a == b:
                continue
            if self._rank[a] < self._rank[b]:
                a, b = b, a
            self._parent[b] = a
            self._rank[a] += self._rank[a] == self._rank[b]
        return self.root(labeled[0]) if labeled else -1

    def spread(self, group: list[int]) -> None:
        """Give the faces of a group that have no label its root, or a fresh label when none has one."""
        root = self.unite(group)
        if root < 0:
            root = len(self._parent)
            self._parent.append(root)
            self._rank.append(0)
        for face in group:
            if self.of_face[face] < 0:
                self.of_face[face] = root
