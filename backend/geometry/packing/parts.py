# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that are packed: splitting, cleaning, normalizing (docs/algorithms/partpacker.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh

from ...contract import BadInput
from ..components import border_loops, split_components
from ..normalization import Normalization
from ..trimesh_conversion import from_trimesh, to_trimesh
from .stitching import touching_loops

LONGEST_SIDE = 0.95
BORDER_DISTANCE = 1e-8


@dataclass(frozen=True)
class PackedPart:
    """One or several merged parts. ``members`` names the given parts it is made of, sorted."""

    members: tuple[str, ...]
    mesh: trimesh.Trimesh

    @property
    def distance_from_origin(self) -> float:
        """Distance of the bounding box's center, rounded so that mirrored parts tie on every processor."""
        return round(float(np.linalg.norm(self.mesh.bounds.mean(axis=0))), 9)


def connected_parts(mesh: trimesh.Trimesh) -> list[PackedPart]:
    """Split a mesh into connected components; those whose border loops coincide are one part."""
    split = split_components(from_trimesh(clean_part(mesh)), fill_holes=False)
    loops, owner = [], []
    for number, component in enumerate(split):
        for loop in border_loops(component.faces):
            loops.append(component.vertices[loop])
            owner.append(number)
    root = list(range(len(split)))
    for first, second in touching_loops(loops, BORDER_DISTANCE):
        union(root, owner[first], owner[second])
    members: dict[int, list[trimesh.Trimesh]] = {}
    for number, component in enumerate(split):
        members.setdefault(find_root(root, number), []).append(to_trimesh(component))
    digits = len(str(len(members)))
    return [
        PackedPart((f"part_{number:0{digits}d}",), clean_part(trimesh.util.concatenate(meshes)))
        for number, meshes in enumerate(members.values())
    ]


def clean_part(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return a copy without materials, equal vertices merged, no duplicate or degenerate faces, normals outward."""
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.unique_faces() & mesh.nondegenerate_faces())
    mesh.remove_unreferenced_vertices()
    with np.errstate(divide="ignore", invalid="ignore"):  # flat parts enclose nothing, and trimesh divides by that
        mesh.fix_normals()
    return mesh


def merge_parts(parts: Sequence[PackedPart]) -> PackedPart:
    """Concatenate parts to one, cleaned."""
    members = tuple(sorted(name for part in parts for name in part.members))
    return PackedPart(members, clean_part(trimesh.util.concatenate([part.mesh for part in parts])))


def normalization_of(parts: Sequence[PackedPart]) -> Normalization:
    """Return the map that makes the object 0.95 wide and centers it. Raises BadInput for an object without extent."""
    bounds = np.stack([part.mesh.bounds for part in parts])
    try:
        return Normalization.to_box([bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)], LONGEST_SIDE)
    except ValueError as error:
        raise BadInput("The parts cannot be packed.", "They have no extent.", "Check the object's scale.") from error


def find_root(root: list[int], node: int) -> int:
    """Return the root of a union-find forest, halving the path to it."""
    while root[node] != node:
        root[node] = root[root[node]]
        node = root[node]
    return node


def union(root: list[int], first: int, second: int) -> None:
    """Join two trees under the smaller root."""
    a, b = find_root(root, first), find_root(root, second)
    root[max(a, b)] = min(a, b)
