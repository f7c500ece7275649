# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing of parts into two volumes in each of which no two groups touch (docs/algorithms/partpacker.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trimesh

from ...contract import BadInput
from ...contract.reports import CountReport, ignore
from ..normalization import Normalization
from .contact import dilated, find_contacts
from .graph import Edge, color_groups, contract_odd_cycles, group_neighbors
from .grouping import box_overlap, group_parts, is_single_layer_plane
from .parts import PackedPart, merge_parts, normalization_of
from .stitching import stitch_holes

SHEET_FLATNESS = 0.01
"""Single-layer planes within this are left open."""

DEPTH_DIGITS = 6
"""Decimals of a contact's depth that count, so that the contacts of equal parts tie on every processor."""
OVERLAP_DIGITS = 9
"""Decimals of the overlap of two bounding boxes that count, for the same reason."""


@dataclass(frozen=True)
class PackOptions:
    """Which steps run; the defaults are the published ones."""

    group: bool = True
    """Merge small, flat and overlapping parts into their neighbors first."""
    stitch: bool = True
    """Close flat convex holes."""
    contract: bool = True
    """Merge parts along odd cycles of contacts. Without it parts in contact may share a volume."""
    dilation: float = 2 / 512
    """How much every part grows for the contact test, in normalized lengths; 0 to switch off."""


@dataclass(frozen=True)
class DualVolumePacking:
    """Two volumes of groups. Coordinates are normalized (longest side 0.95); axes are the given ones."""

    volumes: tuple[list[PackedPart], list[PackedPart]]
    """The groups of each volume; the second is empty where all parts ended in one group."""
    parts: list[PackedPart]
    """What was packed: the given parts after grouping and stitching."""
    contacts: dict[Edge, float]
    """Depth of every contact between two of ``parts``, dilated."""
    normalization: Normalization


def pack(
    parts: Sequence[PackedPart], options: PackOptions = PackOptions(), on_pair: CountReport = ignore
) -> DualVolumePacking:
    """Pack in polynomial time, deterministically: parts in contact end in one group or in different volumes.

    Odd cycles are contracted one at a time (see :mod:`.graph`), so that on graphs with overlapping odd cycles fewer
    parts may be merged than by the published enumeration. The order of ``parts`` does not matter, their names do.
    ``on_pair`` is called before every pair of parts that is compared: first to group them, then to pack the groups,
    each of which is half of the way.

    Raises BadInput without parts, for two of one name, for parts without faces or an object without extent.
    """
    _check_parts(parts)
    normalization = normalization_of(parts)
    ordered = sorted(parts, key=lambda part: part.members)
    prepared = [PackedPart(part.members, _normalized(part.mesh, normalization)) for part in ordered]
    if options.group:
        prepared = group_parts(prepared, lambda pair, of: on_pair(pair, 2 * of))
    if options.stitch:
        prepared = [PackedPart(part.members, stitch_part(part.mesh)) for part in prepared]
    contacts = find_contacts([dilated(part.mesh, options.dilation) for part in prepared],
                             lambda pair, of: on_pair(of + pair, 2 * of))
    group_of = list(range(len(prepared)))
    if options.contract:
        group_of = contract_odd_cycles(len(prepared), _rank_contacts(prepared, contacts))
    groups = _merge_groups(prepared, group_of)
    order = sorted(range(len(groups)), key=lambda group: (groups[group].distance_from_origin, groups[group].members))
    color = color_groups(group_neighbors(group_of, contacts), order)
    volumes = ([groups[i] for i in order if color[i] == 0], [groups[i] for i in order if color[i] == 1])
    return DualVolumePacking(volumes, prepared, contacts, normalization)


def _rank_contacts(parts: Sequence[PackedPart], contacts: dict[Edge, float]) -> dict[Edge, float]:
    """Number the contacts from the shallowest up; equal contacts have one rank, and the indices decide.

    Of equally deep contacts that ranks higher whose parts' undilated bounding boxes overlap more.
    The published tool leaves them to the hash seed and the last bits; the answers that it was seen to give for rings
    of equal parts are the ones of this rule.
    """
    keys = {
        (i, j): (
            round(depth, DEPTH_DIGITS),
            round(box_overlap(parts[i].mesh, parts[j].mesh), OVERLAP_DIGITS),
        )
        for (i, j), depth in contacts.items()
    }
    ranks = {key: float(rank) for rank, key in enumerate(sorted(set(keys.values())))}
    return {pair: ranks[key] for pair, key in keys.items()}


def _check_parts(parts: Sequence[PackedPart]) -> None:
    names = [name for part in parts for name in part.members]
    if not parts:
        raise BadInput("There is nothing to pack.", "The object has no parts.", "Choose an object with a mesh.")
    if len(set(names)) < len(names):
        raise BadInput("The parts cannot be packed.", "Two parts have one name.", "Rename one of them.")
    for part in parts:
        if len(part.mesh.faces) == 0:
            name = " ".join(part.members)
            raise BadInput("The parts cannot be packed.", f"{name} has no faces.", "Remove it, or give it a surface.")


def _normalized(mesh: trimesh.Trimesh, normalization: Normalization) -> trimesh.Trimesh:
    return trimesh.Trimesh(normalization.apply(mesh.vertices), mesh.faces, process=False)


def stitch_part(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Close the holes of a part unless it is closed, or a flat sheet."""
    if mesh.is_watertight or is_single_layer_plane(mesh, SHEET_FLATNESS):
        return mesh
    return stitch_holes(mesh)


def _merge_groups(parts: Sequence[PackedPart], group_of: Sequence[int]) -> list[PackedPart]:
    members: list[list[PackedPart]] = [[] for _ in range(max(group_of) + 1)]
    for part, group in zip(parts, group_of, strict=True):
        members[group].append(part)
    return [merge_parts(group) if len(group) > 1 else group[0] for group in members]
