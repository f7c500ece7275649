# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files (GLB and glTF, OBJ, PLY, STL) into Blender's frame.

GLB and OBJ are Y-up by standard or custom and are turned: `(X, Y, Z)_file = (x, z, -y)_blender`. PLY and STL have no
up axis of their own and are taken as they are, which is also what Blender does with each of the four.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...contract import BadInput, MeshData, middle_if_far
from .gltf.reading import read_gltf
from .named_mesh import NamedMesh
from .nodes import Floats, MeshFile, MeshNode
from .obj import read_obj
from .ply import read_ply
from .stl import read_stl
from .unreadable import WHOLE, Unreadable

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")


def read_file(path: Path, materials: bool = False) -> MeshFile:
    """Every mesh of the file in its order there, nothing changed; with `materials` also the images that an OBJ file
    names. Raises BadInput for a file that holds no mesh, cannot be read, or is cut off.
    """
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise BadInput(f"{path.name} has a format that cannot be read.", f"Supported: {', '.join(MESH_SUFFIXES)}.",
                       "Save it as GLB.")
    try:
        if not path.stat().st_size:
            raise BadInput(f"{path.name} is empty.", "The file has no content.", "Choose another file.")
        found = _read(path, materials)
    except Unreadable as error:
        raise BadInput(f"{path.name} cannot be read.", error.why, error.advice) from error
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read.", f"{error.strerror or error}.", "Check the path and its rights."
                       ) from error
    if not found.nodes:
        why = " ".join(["It has no triangles, or is cut off.", *found.remarks])
        raise BadInput(f"{path.name} holds no mesh.", why, "Choose another file.")
    for node in found.nodes:
        _check(path, node)
    return found


def read_parts(path: Path) -> list[NamedMesh]:
    """One part for each mesh of the file, in its order there, as `placed_meshes` gives them. Raises BadInput as
    `read_file` does.
    """
    nodes = read_file(path).nodes
    meshes, origin = placed_meshes(nodes)
    return [NamedMesh(node.name, mesh, origin=tuple(origin.tolist())) for node, mesh in zip(nodes, meshes, strict=True)]


def placed_meshes(nodes: Sequence[MeshNode]) -> tuple[list[MeshData], Floats]:
    """(the meshes in the world, each with equal positions merged, as seen from the origin; that origin, float64 [3]).

    It is the world's own, unless the meshes are far from that: then it is their middle.
    """
    origin = middle_if_far(np.concatenate([node.bounds() for node in nodes]))
    return [node.placed(origin) for node in nodes], origin


def _read(path: Path, materials: bool) -> MeshFile:
    suffix = path.suffix.lower()
    if suffix == ".obj":
        return read_obj(path, materials)
    return {".ply": read_ply, ".stl": read_stl}.get(suffix, read_gltf)(path)


def _check(path: Path, node: MeshNode) -> None:
    used = node.world_vertices()[np.unique(node.faces)]
    # A comparison with NaN is False. Beyond single precision a number is infinite for us.
    if not (np.abs(used) <= np.finfo(np.float32).max).all():
        raise BadInput(f"{path.name} cannot be read.", "It has invalid vertex positions (NaN or infinite).",
                       WHOLE)
