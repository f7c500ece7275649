# SPDX-License-Identifier: GPL-3.0-or-later
"""Between `MeshData` and trimesh: vertices and faces only, nothing merged or removed."""

from __future__ import annotations

import numpy as np
import trimesh

from ..contract import MeshData


def to_trimesh(mesh: MeshData) -> trimesh.Trimesh:
    """The same vertices and faces for trimesh."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def from_trimesh(mesh: trimesh.Trimesh) -> MeshData:
    """The same vertices and faces."""
    return MeshData(np.asarray(mesh.vertices), np.asarray(mesh.faces))
