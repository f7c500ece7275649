# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files (GLB, OBJ, PLY, STL) in and out, in Blender's frame on our side.

GLB and OBJ are Y-up by standard or custom and are turned: `(X, Y, Z)_file = (x, z, -y)_blender`. PLY and STL have no
up axis of their own and are taken as they are, which is also what Blender does with each of the four. Faces of more
than three corners become fans of triangles, which is exact for convex ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import trimesh

from ..contract import BadInput, MeshData
from .appearance import Maps, with_appearance
from .frames import BLENDER_TO_Y_UP
from .gltf_materials import with_materials
from .mesh_nodes import MeshNode
from .obj_indices import with_absolute_indices
from .ply_polygons import PlyHeader, read_polygons
from .trimesh_conversion import to_trimesh

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")
_Y_UP_SUFFIXES = (".glb", ".gltf", ".obj")
_OBJ_OPTIONS = {"split_objects": True, "group_material": False}
_GLTF_SUFFIXES = (".glb", ".gltf")


@dataclass(frozen=True)
class NamedMesh:
    """A part in Blender's frame. `color` is sRGB in [0, 1]; `maps` are the image files of its material, by role."""

    name: str
    mesh: MeshData
    color: tuple[float, ...] | None = None
    maps: Maps = field(default_factory=dict)


def read_parts(path: Path) -> list[NamedMesh]:
    """One part per scene node that holds a mesh, by name, its transform applied, equal positions merged, with the UVs
    and colors that the file has.

    Raises BadInput for a file that holds no mesh, cannot be read, or is cut off.
    """
    return [NamedMesh(node.name, node.placed()) for node in read_nodes(path)]


def read_nodes(path: Path, materials: bool = False) -> list[MeshNode]:
    """Every scene node that holds a mesh, by name, nothing changed; with `materials` also the images next to an
    OBJ file. Raises BadInput as `read_parts` does.
    """
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise BadInput(f"{path.name} is of a kind that cannot be read.", f"Known are {', '.join(MESH_SUFFIXES)}.",
                       "Save it as GLB.")
    if path.is_file() and not path.stat().st_size:
        raise BadInput(f"{path.name} is empty.", "The file has no content.", "Choose another file.")
    try:
        scene = _loaded(path, materials)
    except Exception as error:  # loaders raise anything on a damaged file
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error
    to_blender = np.linalg.inv(BLENDER_TO_Y_UP) if path.suffix.lower() in _Y_UP_SUFFIXES else np.eye(4)
    nodes = []
    for node in sorted(scene.graph.nodes_geometry, key=str):  # the graph's own order changes from run to run
        transform, geometry = scene.graph[node]
        mesh = scene.geometry[geometry]
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            _check(path, mesh)
            nodes.append(MeshNode(str(node), mesh, to_blender @ transform, path.suffix.lower() in _GLTF_SUFFIXES))
    if not nodes:
        raise BadInput(f"{path.name} holds no mesh.", "It has no triangles, or is cut off.", "Choose another file.")
    return nodes


def write_parts(path: Path, parts: Sequence[NamedMesh]) -> None:
    """Write the parts in the format that the suffix names, with what `with_appearance` says of it; GLB and OBJ keep
    parts apart and named. Raises OSError.
    """
    suffix, scene = path.suffix.lower(), trimesh.Scene()
    for part in parts:
        mesh = with_appearance(part.mesh, part.name, suffix, part.maps, part.color)
        if suffix in _Y_UP_SUFFIXES:
            mesh.apply_transform(BLENDER_TO_Y_UP)
        scene.add_geometry(mesh, node_name=part.name, geom_name=part.name)
    geometry = scene if suffix in _Y_UP_SUFFIXES else scene.to_mesh()
    path.write_bytes(_exported(geometry, suffix.lstrip(".")))


def _loaded(path: Path, materials: bool) -> trimesh.Scene:
    suffix, neighbors = path.suffix.lower(), trimesh.resolvers.FilePathResolver(path)
    if suffix == ".obj":
        content = with_absolute_indices(path.read_bytes())
        resolver = neighbors if materials else None
        return trimesh.load_scene(BytesIO(content), "obj", process=False, resolver=resolver, **_OBJ_OPTIONS)
    if suffix in (".glb", ".gltf"):
        content = with_materials(path.read_bytes())
        return trimesh.load_scene(BytesIO(content), suffix[1:], resolver=neighbors, process=False)
    return _loaded_ply(path) if suffix == ".ply" else trimesh.load_scene(path, process=False)


def _loaded_ply(path: Path) -> trimesh.Scene:
    header = PlyHeader.read(path)
    try:
        scene = trimesh.load_scene(path, process=False)
    except ValueError:
        return trimesh.Scene(to_trimesh(read_polygons(path)))
    found = sum(len(mesh.faces) for mesh in scene.geometry.values() if isinstance(mesh, trimesh.Trimesh))
    if found < header.face_count:
        raise ValueError(f"there are {found} of {header.face_count} faces: it is cut off")
    return scene


def _check(path: Path, mesh: trimesh.Trimesh) -> None:
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise _unreadable(path, "Some of its faces name vertices that it does not hold.")
    # A comparison with NaN is False. Beyond single precision a number is infinite for us.
    if not (np.abs(mesh.vertices) <= np.finfo(np.float32).max).all():
        raise _unreadable(path, "Some of its vertex positions are infinite or not a number.")


def _unreadable(path: Path, why: str) -> BadInput:
    return BadInput(f"{path.name} cannot be read.", why, "Check that the file is whole, or save it again as GLB.")


def _exported(geometry: trimesh.Scene | trimesh.Trimesh, kind: str) -> bytes:
    content = geometry.export(file_type=kind)
    return content.encode("utf-8") if isinstance(content, str) else content
