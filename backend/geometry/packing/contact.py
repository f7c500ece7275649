# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts touch, and how deep (docs/algorithms/partpacker.md, section 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import fcl
import numpy as np
import trimesh
from trimesh.collision import mesh_to_convex

from ...contract.reports import CountReport, ignore
from .graph import Edge

MOST_CONTACTS = 100_000
"""Contacts looked at per pair of parts."""


def find_contacts(meshes: Sequence[trimesh.Trimesh], on_pair: CountReport = ignore) -> dict[Edge, float]:
    """Return the largest penetration depth of every pair of meshes in contact, keyed ``(i, j)`` with i < j.

    A convex mesh is a solid, so that containment counts. Any other mesh is a surface: what lies wholly inside touches
    nothing. ``on_pair`` is given ``(pair, of)`` before two are compared.
    """
    bodies = [_Body(mesh) for mesh in meshes]
    request = fcl.CollisionRequest(num_max_contacts=MOST_CONTACTS, enable_contact=True)
    contacts: dict[Edge, float] = {}
    pairs = list(_overlapping_boxes(meshes))
    for number, (i, j) in enumerate(pairs):
        on_pair(number, len(pairs))
        first, second = bodies[i].near(meshes[j].bounds), bodies[j].near(meshes[i].bounds)
        result = fcl.CollisionResult()
        if first and second and fcl.collide(first, second, request, result):
            contacts[i, j] = max(contact.penetration_depth for contact in result.contacts)
    return contacts


class _Body:
    """A mesh as the collision library wants it."""

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        corners = mesh.triangles.view(np.ndarray)
        self.low, self.high = corners.min(axis=1), corners.max(axis=1)
        self.vertices, self.faces = np.array(mesh.vertices), np.array(mesh.faces)
        self.solid = fcl.CollisionObject(mesh_to_convex(mesh)) if mesh.is_convex else None

    def near(self, bounds: np.ndarray) -> fcl.CollisionObject | None:
        """Return the solid, or a surface of the faces that may touch a box [2, 3]; None where there are none.

        The library takes seconds for the tree of a large surface, of which a contact concerns a few faces.
        """
        if self.solid is not None:
            return self.solid
        faces = self.faces[np.all((self.low <= bounds[1]) & (self.high >= bounds[0]), axis=1)]
        if len(faces) == 0:
            return None
        used, faces = np.unique(faces, return_inverse=True)
        surface = fcl.BVHModel()
        surface.beginModel(num_tris_=len(faces.reshape(-1, 3)), num_vertices_=len(used))
        surface.addSubModel(verts=self.vertices[used], triangles=faces.reshape(-1, 3))
        surface.endModel()
        return fcl.CollisionObject(surface)


def dilated(mesh: trimesh.Trimesh, distance: float) -> trimesh.Trimesh:
    """Return a copy scaled about its area-weighted centroid so that its farthest vertex moves out by ``distance``."""
    offset = mesh.vertices - mesh.centroid
    radius = float(np.linalg.norm(offset, axis=1).max())
    factor = (radius + distance) / radius if radius > 0 else 1.0
    return trimesh.Trimesh(mesh.centroid + factor * offset, mesh.faces, process=False)


def _overlapping_boxes(meshes: Sequence[trimesh.Trimesh]) -> Iterator[Edge]:
    """Yield the pairs whose bounding boxes share a point."""
    bounds = np.stack([mesh.bounds for mesh in meshes]) if meshes else np.zeros((0, 2, 3))
    low, high = bounds[:, 0], bounds[:, 1]
    for i in range(len(meshes)):
        overlap = np.all((low[i + 1 :] <= high[i]) & (high[i + 1 :] >= low[i]), axis=1)
        for j in np.flatnonzero(overlap):
            yield i, i + 1 + int(j)
