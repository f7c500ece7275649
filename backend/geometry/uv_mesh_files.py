# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files with texture coordinates: read to be painted, written as GLB with the textures.

What is written is what was read: positions, normals and transforms of the file, its UVs unless they were made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from numpy.typing import NDArray

from ..contract import BadInput, MeshData
from .appearance import Maps, material_of, split_at_seams
from .frames import BLENDER_TO_Y_UP
from .mesh_files import MeshNode, read_nodes
from .mesh_textures import base_color, carried_over, check_one_material_each
from .uv_layout import FEW_FACES, new_layout, uv_fault

UVChoice = Literal["auto", "keep", "new"]
"""The file's UVs where they can be painted on, else new ones; always the file's; always new ones."""


@dataclass(frozen=True)
class PaintedNode:
    """A mesh of a file, to be painted. `painted` has its corners in the order of `node`'s; `remark` is why its UVs are
    new ones, or "".
    """

    node: MeshNode
    painted: MeshData
    remark: str = ""


def read_painted(path: Path, choice: UVChoice, textured: bool, tell: Callable[[str], None]) -> list[PaintedNode]:
    """Every mesh of the file, equal positions merged, with UVs; with `textured` also with the image that it shows.
    `tell` is told of every new layout that takes more than moments, before it begins.

    Raises BadInput as `read_nodes` does, where UVs shall be kept that are missing or cannot be painted on, and where
    there is no image.
    """
    if not textured:
        return [_painted(path, node, choice, tell) for node in read_nodes(path)]
    nodes = read_nodes(path, materials=True)
    check_one_material_each(path)
    return [_with_texture(path, _painted(path, node, choice, tell)) for node in nodes]


def write_painted(path: Path, nodes: Sequence[PaintedNode], maps: Sequence[Maps]) -> None:
    """Write a GLB with each mesh under its name and with its material, of image files by role; a mesh without maps
    keeps the material of its file. Raises OSError.
    """
    scene = trimesh.Scene()
    for painted, images in zip(nodes, maps, strict=True):
        node = painted.node
        mesh = split_at_seams(node.mesh, _turned(node, painted.painted.uvs))
        material = material_of(node.name, images) if images else getattr(node.mesh.visual, "material", None)
        mesh.visual = trimesh.visual.TextureVisuals(mesh.visual.uv, material)
        scene.add_geometry(mesh, node_name=node.name, geom_name=node.name, transform=BLENDER_TO_Y_UP @ node.to_blender)
    path.write_bytes(scene.export(file_type="glb"))


def _painted(path: Path, node: MeshNode, choice: UVChoice, tell: Callable[[str], None]) -> PaintedNode:
    placed = trimesh.Trimesh(trimesh.transform_points(node.mesh.vertices, node.to_blender),
                             _turned(node, np.asarray(node.mesh.faces)), process=False)
    placed.merge_vertices()
    vertices, faces = placed.vertices.astype(np.float32), placed.faces.astype(np.int32)
    uvs = _file_uvs(node)
    fault = "" if choice == "new" else "It has no UVs." if uvs is None else uv_fault(vertices, faces, uvs)
    if fault and choice == "keep":
        raise BadInput(f"The UVs of {node.name} in {path.name} cannot be kept.", fault,
                       "Unwrap it (in Blender: UV > Smart UV Project), or let new ones be made: --uv new.")
    if uvs is None or fault or choice == "new":
        if len(faces) > FEW_FACES:
            tell(f"Laying out UVs of {node.name} ({len(faces):,} faces): this can take a minute or more …")
        uvs = new_layout(vertices, faces)
    return PaintedNode(node, MeshData(vertices, faces, uvs), fault)


def _with_texture(path: Path, node: PaintedNode) -> PaintedNode:
    """The node with what its material shows, in the layout that it has now."""
    texture, uvs = base_color(node.node.mesh), _file_uvs(node.node)
    if texture is None or uvs is None:
        raise BadInput(f"{node.node.name} in {path.name} has no texture to follow.",
                       "It has no UVs." if uvs is None else "Its material has no image of its colors.",
                       "Give it one, or follow something else: --cond-type depth.")
    if not np.array_equal(uvs, node.painted.uvs):
        texture = carried_over(texture, uvs, node.painted.uvs)
    return replace(node, painted=replace(node.painted, texture=texture))


def _file_uvs(node: MeshNode) -> NDArray[np.float32] | None:
    """The corners' UVs in the order of the placed faces, [F, 3, 2]; None where the file has none."""
    known = getattr(node.mesh.visual, "uv", None)
    if known is None or len(known) != len(node.mesh.vertices):
        return None
    return np.ascontiguousarray(_turned(node, np.asarray(known, np.float32)[node.mesh.faces]))


def _turned(node: MeshNode, corners: NDArray) -> NDArray:
    """Corners [F, 3, ...] between the file's order and the world's: a transform that mirrors turns the faces round."""
    return np.ascontiguousarray(corners[:, ::-1]) if np.linalg.det(node.to_blender[:3, :3]) < 0 else corners
