# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with a name, as files keep it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...contract import MeshData
from ..appearance import Maps


@dataclass(frozen=True)
class NamedMesh:
    """A part in Blender's frame. `color` is sRGB in [0, 1]; `maps` are the image files of its material, by role;
    `origin` is where in the world its vertices' zero is, in meters.
    """

    name: str
    mesh: MeshData
    color: tuple[float, ...] | None = None
    maps: Maps = field(default_factory=dict)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
