# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging of small, flat and overlapping parts into the parts they touch, before packing.

See docs/algorithms/partpacker.md, section 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh

from ...contract.reports import CountReport, ignore
from ..components import is_watertight, split_components
from ..trimesh_conversion import from_trimesh
from .contact import find_contacts
from .parts import PackedPart, find_root, merge_parts, union

FEW_PARTS = 16
SMALL_SHARE_OF_FEW, SMALL_SHARE_OF_MANY = 0.05, 0.1
OVERLAP = 0.5
FLATNESS = 1.0
"""Largest Frobenius norm of all normals' differences from the first, signs ignored, of a single-layer plane."""


def group_parts(parts: Sequence[PackedPart], on_pair: CountReport = ignore) -> list[PackedPart]:
    """Merge touching pairs of which one is a single-layer plane or small, or whose boxes overlap a lot.

    All tests look at the given parts, so that their order does not matter.
    """
    contacts = find_contacts([part.mesh for part in parts], on_pair)
    if not contacts:
        return list(parts)
    trivial = _small_parts(parts) | np.array([is_single_layer_plane(part.mesh, FLATNESS) for part in parts])
    root = list(range(len(parts)))
    for i, j in contacts:
        if trivial[i] or trivial[j] or box_overlap(parts[i].mesh, parts[j].mesh) > OVERLAP:
            union(root, i, j)
    groups: dict[int, list[PackedPart]] = {}
    for number, part in enumerate(parts):
        groups.setdefault(find_root(root, number), []).append(part)
    return [merge_parts(group) if len(group) > 1 else group[0] for group in groups.values()]


def is_single_layer_plane(mesh: trimesh.Trimesh, flatness: float) -> bool:
    """Whether a mesh is open and all its face normals are one normal, up to their signs."""
    if mesh.is_watertight or len(mesh.faces) == 0:
        return False
    normals = np.abs(mesh.face_normals)
    return bool(np.linalg.norm(normals - normals[0]) < flatness)


def box_overlap(first: trimesh.Trimesh, second: trimesh.Trimesh) -> float:
    """Return the volume of the bounding boxes' intersection over that of their union; 0 for flat boxes."""
    side = np.minimum(first.bounds[1], second.bounds[1]) - np.maximum(first.bounds[0], second.bounds[0])
    shared = float(np.prod(np.maximum(side, 0.0)))
    united = float(np.prod(first.extents) + np.prod(second.extents)) - shared
    return shared / united if united > 0 else 0.0


def _small_parts(parts: Sequence[PackedPart]) -> np.ndarray:
    """Return which parts are small in volume and in extent against all closed components together, bool [N]."""
    share = SMALL_SHARE_OF_FEW if len(parts) <= FEW_PARTS else SMALL_SHARE_OF_MANY
    split = [split_components(from_trimesh(part.mesh)) for part in parts]
    closed = [[mesh for mesh in meshes if is_watertight(mesh)] for meshes in split]
    volumes = [[mesh.volume for mesh in meshes] for meshes in closed]
    sides = [[float(np.ptp(mesh.bounds, axis=0).max()) for mesh in meshes] for meshes in closed]
    mean_volume = np.array([np.mean(values) if values else np.inf for values in volumes])
    longest_side = np.array([max(values, default=np.inf) for values in sides])
    total = sum(sum(values) for values in volumes)
    longest = max((side for values in sides for side in values), default=0.0)
    return (mean_volume < share * total) & (longest_side < share * longest)
