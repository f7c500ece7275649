# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts touch, and how deep (SPEC 10.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import fcl
import numpy as np
import trimesh
from trimesh.collision import mesh_to_BVH, mesh_to_convex

from .graph import Edge

MOST_CONTACTS = 100_000
"""Contacts looked at per pair of parts."""


def find_contacts(meshes: Sequence[trimesh.Trimesh]) -> dict[Edge, float]:
    """Return the largest penetration depth of every pair of meshes in contact, keyed ``(i, j)`` with i < j.

    A convex mesh is a solid, so that containment counts. Any other mesh is a surface: what lies wholly inside touches
    nothing.
    """
    bodies = [_body(mesh) for mesh in meshes]
    request = fcl.CollisionRequest(num_max_contacts=MOST_CONTACTS, enable_contact=True)
    contacts: dict[Edge, float] = {}
    for i, j in _overlapping_boxes(meshes):
        result = fcl.CollisionResult()
        if fcl.collide(bodies[i], bodies[j], request, result):
            contacts[i, j] = max(contact.penetration_depth for contact in result.contacts)
    return contacts


def dilated(mesh: trimesh.Trimesh, distance: float) -> trimesh.Trimesh:
    """Return a copy scaled about its area-weighted centroid so that its farthest vertex moves out by ``distance``."""
    offset = mesh.vertices - mesh.centroid
    radius = float(np.linalg.norm(offset, axis=1).max())
    factor = (radius + distance) / radius if radius > 0 else 1.0
    return trimesh.Trimesh(mesh.centroid + factor * offset, mesh.faces, process=False)


def _body(mesh: trimesh.Trimesh) -> fcl.CollisionObject:
    return fcl.CollisionObject(mesh_to_convex(mesh) if mesh.is_convex else mesh_to_BVH(mesh))


def _overlapping_boxes(meshes: Sequence[trimesh.Trimesh]) -> Iterator[Edge]:
    """Yield the pairs whose bounding boxes share a point."""
    bounds = np.stack([mesh.bounds for mesh in meshes]) if meshes else np.zeros((0, 2, 3))
    low, high = bounds[:, 0], bounds[:, 1]
    for i in range(len(meshes)):
        overlap = np.all((low[i + 1 :] <= high[i]) & (high[i + 1 :] >= low[i]), axis=1)
        for j in np.flatnonzero(overlap):
            yield i, i + 1 + int(j)
