# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files that get textures: read with UVs, written as GLB with the material maps.

What is written is what was read: positions, normals and transforms of the file, and its UVs unless new ones were made.
Of a glTF file all else stays, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from numpy.typing import NDArray

from ..contract import BadInput, MeshData, middle_if_far, replace_whole
from ..geometry.appearance import Maps, material_of, png_images, split_at_seams, surface_factors
from ..geometry.frames import BLENDER_TO_Y_UP
from ..geometry.mesh_files import MeshNode, Surface, placed_meshes, read_file
from ..geometry.mesh_files.gltf.reading import GltfPlace
from ..geometry.mesh_files.gltf.repainted import Repaint, repainted
from ..geometry.uv_layout import FEW_FACES, new_layout, uv_fault
from .texture_transfer import Shown, shown_in

UVChoice = Literal["auto", "keep", "new"]
"""The file's UVs where they can be painted on, else new ones; always the file's; always new ones."""


@dataclass(frozen=True)
class PaintedNode:
    """A mesh of a file, to be painted.

    Attributes:
        node: as the file holds it.
        mesh: in Blender's frame, with UVs; its corners are in the order of the node's.
        remark: why its UVs are new ones, or "".
        own_uvs: whether its UVs are the file's.
    """

    node: MeshNode
    mesh: MeshData
    remark: str = ""
    own_uvs: bool = True


@dataclass(frozen=True)
class PaintedFile:
    """Every mesh of a file, and what of it was not read, as sentences."""

    nodes: tuple[PaintedNode, ...]
    remarks: tuple[str, ...] = ()


def read_painted(path: Path, choice: UVChoice, textured: bool, report: Callable[[str], None]) -> PaintedFile:
    """Every mesh of the file, equal positions merged, with UVs; with `textured` also with the image that it shows.
    `report` is given a line about every new layout that takes more than moments, before it begins.

    Raises BadInput as `read_file` does, where UVs shall be kept that are missing or cannot be painted on, and where
    there is no image.
    """
    found = read_file(path, materials=textured)
    meshes, _ = placed_meshes(found.nodes)
    nodes = tuple(_painted(path, node, mesh, choice, report) for node, mesh in zip(found.nodes, meshes, strict=True))
    if textured:
        nodes = tuple(_with_texture(path, node) for node in nodes)
    return PaintedFile(nodes, found.remarks)


def write_painted(path: Path, nodes: Sequence[PaintedNode], maps: Sequence[Maps]) -> tuple[str, ...]:
    """Write a GLB with each mesh under its name and with its material, of image files by role; a mesh without maps
    keeps the material of its file. Returns what of the file could not be kept, as sentences. Raises OSError.
    """
    if isinstance(nodes[0].node.place, GltfPlace):
        wanted = [_repaint(painted, images) for painted, images in zip(nodes, maps, strict=True)
                  if images or painted.node.place.instance is not None]
        content, remarks = repainted(nodes[0].node.place.document, wanted)
    else:
        content, remarks = _new_file(nodes, maps)
    with replace_whole(path) as draft:
        draft.write_bytes(content)
    return remarks


def _repaint(painted: PaintedNode, images: Maps) -> Repaint:
    assert painted.mesh.uvs is not None  # as read_painted gives it
    uvs = None if painted.own_uvs else painted.node.turned(painted.mesh.uvs)
    return Repaint(painted.node.place, painted.node.name, uvs, png_images(images), surface_factors(images))


def _new_file(nodes: Sequence[PaintedNode], maps: Sequence[Maps]) -> tuple[bytes, tuple[str, ...]]:
    """As `write_painted`, of a file in a format without materials of glTF."""
    scene, remarks = trimesh.Scene(), []
    for painted, images in zip(nodes, maps, strict=True):
        node = painted.node
        assert painted.mesh.uvs is not None  # as read_painted gives it
        origin = middle_if_far(node.vertices[np.unique(node.faces)])
        mesh, _ = split_at_seams(node.vertices - origin, node.faces, node.turned(painted.mesh.uvs), node.normals)
        material = material_of(node.name, images) if images else None
        mesh.visual = trimesh.visual.TextureVisuals(mesh.visual.uv, material)
        place = BLENDER_TO_Y_UP @ node.to_blender @ trimesh.transformations.translation_matrix(origin)
        scene.add_geometry(mesh, node_name=node.name, geom_name=node.name, transform=place)
        if node.colors is not None:
            remarks.append(f"{node.name}: its vertex colors were left out; viewers would multiply the texture by them.")
    return scene.export(file_type="glb"), tuple(remarks)


def _painted(
    path: Path, node: MeshNode, mesh: MeshData, choice: UVChoice, report: Callable[[str], None]
) -> PaintedNode:
    vertices, faces, uvs = mesh.vertices, mesh.faces, mesh.uvs
    fault = "" if choice == "new" else "It has no UVs." if uvs is None else uv_fault(vertices, faces, uvs)
    if fault and choice == "keep":
        raise BadInput(f"The UVs of {node.name} in {path.name} cannot be kept.", fault,
                       "Unwrap it (in Blender: UV > Smart UV Project), or let new ones be made: --uv new.")
    if uvs is not None and not fault and choice != "new":
        return PaintedNode(node, mesh)
    if len(faces) > FEW_FACES:
        report(f"Laying out UVs of {node.name} ({len(faces):,} faces): this can take a minute or more …")
    return PaintedNode(node, replace(mesh, uvs=new_layout(vertices, faces)), fault, own_uvs=False)


def _with_texture(path: Path, painted: PaintedNode) -> PaintedNode:
    """The node with what its materials show, in the layout that it has now."""
    node, mesh = painted.node, painted.mesh
    if node.uvs is None:
        raise _without_texture(path, node, "It has no UVs.")
    assert mesh.uvs is not None  # as _painted gives it
    images = _images(path, node)
    shown = []
    for index in np.unique(node.surface):
        faces = np.flatnonzero(node.surface == index)
        surface = node.surfaces[index] if index >= 0 else Surface("")
        shown.append(Shown(images[int(index)], faces, node.turned(surface.image_uvs(node.uvs[faces]))))
    only = shown[0]
    as_it_is = len(shown) == 1 and np.array_equal(only.uvs, mesh.uvs)
    return replace(painted, mesh=replace(mesh, texture=only.image if as_it_is else shown_in(shown, mesh.uvs)))


def _images(path: Path, node: MeshNode) -> dict[int, NDArray[np.uint8]]:
    """What faces of each material show: its image, or its color where another has an image. Raises BadInput."""
    found: dict[int, NDArray[np.uint8] | None] = {}
    for index in np.unique(node.surface).tolist():
        try:
            found[index] = node.surfaces[index].base_color() if index >= 0 else None
        except (OSError, ValueError) as error:
            raise _without_texture(path, node, str(error)) from error
    if all(image is None for image in found.values()):
        raise _without_texture(path, node, "Its material has no image of its colors.")
    return {index: (node.surfaces[index] if index >= 0 else Surface("")).plain_color() if image is None else image
            for index, image in found.items()}


def _without_texture(path: Path, node: MeshNode, why: str) -> BadInput:
    return BadInput(f"{node.name} in {path.name} has no texture to follow.", why,
                    "Give it one, or follow something else: --cond-type depth.")
