# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes in Blender's frame into mesh files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh

from ..appearance import with_appearance
from ..frames import BLENDER_TO_Y_UP
from .named_mesh import NamedMesh

_Y_UP_SUFFIXES = (".glb", ".gltf", ".obj")
SINGLE_PRECISION = (".ply", ".stl")
"""Formats that are written with seven digits and no transform: far from the origin, shapes would suffer."""


def write_parts(path: Path, parts: Sequence[NamedMesh]) -> None:
    """Write the parts in the format that the suffix names, with what `with_appearance` says of it; GLB and OBJ keep
    parts apart and named. The parts' origin is in a GLB file the translation of their nodes, in OBJ files in their
    coordinates; PLY and STL are written without it (`SINGLE_PRECISION`). Raises OSError.
    """
    suffix, scene = path.suffix.lower(), trimesh.Scene()
    for part in parts:
        mesh, place = with_appearance(part.mesh, part.name, suffix, part.maps, part.color), np.eye(4)
        if suffix in _Y_UP_SUFFIXES:
            mesh.apply_transform(BLENDER_TO_Y_UP)
            place[:3, 3] = BLENDER_TO_Y_UP[:3, :3] @ part.origin
        scene.add_geometry(mesh, node_name=part.name, geom_name=part.name, transform=place)
    geometry = scene if suffix in _Y_UP_SUFFIXES else scene.to_mesh()
    path.write_bytes(_exported(geometry, suffix.lstrip(".")))


def _exported(geometry: trimesh.Scene | trimesh.Trimesh, kind: str) -> bytes:
    content = geometry.export(file_type=kind)
    return content.encode("utf-8") if isinstance(content, str) else content
