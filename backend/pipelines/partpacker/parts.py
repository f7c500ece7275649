# SPDX-License-Identifier: GPL-3.0-or-later
"""From the surfaces of the two volumes to separate, colored parts (docs/algorithms/partpacker.md, section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...contract import MeshData
from ...contract.reports import ignore
from ...geometry.cleaning import clean_mesh
from ...geometry.components import is_watertight, split_components
from ...geometry.simplification import decimate
from .palette import Rgba, part_color

SMALLEST_PART = 11
"""Components of fewer faces are no parts."""


@dataclass(frozen=True)
class Part:
    """One connected part in the decoder's internal frame."""

    mesh: MeshData
    volume_index: int
    """Which of the two volumes it comes from. Parts of one volume never touch each other."""
    color: Rgba
    watertight: bool


def extract_parts(
    volumes: Iterable[MeshData], *, face_target: int | None = None, check: Callable[[], None] = ignore
) -> list[Part]:
    """Clean the surface of every volume and split it into parts, those of the first volume first.

    Args:
        volumes: one surface per volume, internal frame; an empty one has no parts.
        face_target: decimate every volume of more faces to this many. It counts per volume, not for the object.
        check: called between the steps and for every part; may raise to give up.

    Returns:
        The parts in order; part j has the palette's color j. An empty list where no surface is left.
    """
    parts: list[Part] = []
    for volume_index, surface in enumerate(volumes):
        for mesh in split_components(clean_volume(surface, face_target, check), check=check):
            check()
            if len(mesh.faces) >= SMALLEST_PART:
                parts.append(Part(mesh, volume_index, part_color(len(parts)), is_watertight(mesh)))
    return parts


def clean_volume(
    surface: MeshData, face_target: int | None = None, check: Callable[[], None] = ignore
) -> MeshData:
    """Clean one surface; if it has more faces than the target, decimate it and clean again.

    ``check`` is called between the steps and may raise to give up. Decimation is one step of the library's.
    """
    cleaned = clean_mesh(surface, check)
    check()
    if face_target is None or len(cleaned.faces) <= face_target:
        return cleaned
    return clean_mesh(decimate(cleaned, face_target), check)
