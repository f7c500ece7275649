# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files that get textures: read with UVs, written as GLB with the material maps.

What is written is what was read: positions, normals and transforms of the file, and its UVs unless new ones were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh

from ..contract import BadInput, MeshData
from ..geometry.appearance import Maps, material_of, split_at_seams
from ..geometry.file_textures import base_color, check_one_material_each
from ..geometry.frames import BLENDER_TO_Y_UP
from ..geometry.mesh_files import read_nodes
from ..geometry.mesh_nodes import MeshNode
from ..geometry.uv_layout import FEW_FACES, new_layout, uv_fault
from .texture_transfer import carried_over

UVChoice = Literal["auto", "keep", "new"]
"""The file's UVs where they can be painted on, else new ones; always the file's; always new ones."""


@dataclass(frozen=True)
class PaintedNode:
    """A mesh of a file, to be painted.

    Attributes:
        node: as the file holds it.
        mesh: in Blender's frame, with UVs; its corners are in the order of the node's.
        remark: why its UVs are new ones, or "".
    """

    node: MeshNode
    mesh: MeshData
    remark: str = ""


def read_painted(path: Path, choice: UVChoice, textured: bool, report: Callable[[str], None]) -> list[PaintedNode]:
    """Every mesh of the file, equal positions merged, with UVs; with `textured` also with the image that it shows.
    `report` is given a line about every new layout that takes more than moments, before it begins.

    Raises BadInput as `read_nodes` does, where UVs shall be kept that are missing or cannot be painted on, and where
    there is no image.
    """
    if not textured:
        return [_painted(path, node, choice, report) for node in read_nodes(path)]
    nodes = read_nodes(path, materials=True)
    check_one_material_each(path)
    return [_with_texture(path, _painted(path, node, choice, report)) for node in nodes]


def write_painted(path: Path, nodes: Sequence[PaintedNode], maps: Sequence[Maps]) -> None:
    """Write a GLB with each mesh under its name and with its material, of image files by role; a mesh without maps
    keeps the material of its file. Raises OSError.
    """
    scene = trimesh.Scene()
    for painted, images in zip(nodes, maps, strict=True):
        node = painted.node
        assert painted.mesh.uvs is not None  # as read_painted gives it
        mesh = split_at_seams(node.mesh, node.turned(painted.mesh.uvs))
        material = material_of(node.name, images) if images else getattr(node.mesh.visual, "material", None)
        mesh.visual = trimesh.visual.TextureVisuals(mesh.visual.uv, material)
        scene.add_geometry(mesh, node_name=node.name, geom_name=node.name, transform=BLENDER_TO_Y_UP @ node.to_blender)
    path.write_bytes(scene.export(file_type="glb"))


def _painted(path: Path, node: MeshNode, choice: UVChoice, report: Callable[[str], None]) -> PaintedNode:
    mesh = node.placed()
    vertices, faces, uvs = mesh.vertices, mesh.faces, mesh.uvs
    fault = "" if choice == "new" else "It has no UVs." if uvs is None else uv_fault(vertices, faces, uvs)
    if fault and choice == "keep":
        raise BadInput(f"The UVs of {node.name} in {path.name} cannot be kept.", fault,
                       "Unwrap it (in Blender: UV > Smart UV Project), or let new ones be made: --uv new.")
    if uvs is None or fault or choice == "new":
        if len(faces) > FEW_FACES:
            report(f"Laying out UVs of {node.name} ({len(faces):,} faces): this can take a minute or more …")
        uvs = new_layout(vertices, faces)
    return PaintedNode(node, replace(mesh, uvs=uvs), fault)


def _with_texture(path: Path, node: PaintedNode) -> PaintedNode:
    """The node with what its material shows, in the layout that it has now."""
    texture, uvs = base_color(node.node.mesh), node.node.uvs()
    if texture is None or uvs is None:
        raise BadInput(f"{node.node.name} in {path.name} has no texture to follow.",
                       "It has no UVs." if uvs is None else "Its material has no image of its colors.",
                       "Give it one, or follow something else: --cond-type depth.")
    assert node.mesh.uvs is not None  # as _painted gives it
    if not np.array_equal(uvs, node.mesh.uvs):
        texture = carried_over(texture, uvs, node.mesh.uvs)
    return replace(node, mesh=replace(node.mesh, texture=texture))
