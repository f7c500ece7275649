# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes of a glTF file: one for every node or instance, whatever its number of materials, in the file's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...frames import BLENDER_TO_Y_UP
from ...srgb import linear_to_srgb
from ..nodes import MeshFile, MeshNode
from ..surfaces import Surface
from ..unreadable import Unreadable
from .document import Document
from .extensions import INSTANCING, UNREAD_IMAGES, check_required
from .materials import read_surface, uv_set
from .primitives import Primitive, positions, read_primitive
from .transforms import instances, reachable, skinned, world_matrices

TO_BLENDER = np.linalg.inv(BLENDER_TO_Y_UP)


@dataclass(frozen=True)
class GltfPlace:
    """Where a mesh is in its file.

    Attributes:
        document: the file.
        node: the index of its node.
        instance: which of the node's instances it is, and its matrix [4, 4] in the node's frame; None without any.
    """

    document: Document
    node: int
    instance: tuple[int, NDArray[np.float64]] | None = None


def read_gltf(path: Path) -> MeshFile:
    """Raises Unreadable, OSError."""
    try:
        return _read(Document.read(path))
    except (KeyError, TypeError, AttributeError, IndexError) as error:  # an entry is missing, or of another type
        raise Unreadable(f"Its JSON is not as glTF demands it ({type(error).__name__}: {error}).") from error


def _read(document: Document) -> MeshFile:
    check_required(document)
    (chosen, others), worlds = reachable(document), world_matrices(document)
    found: list[MeshNode] = []
    faceless = 0
    for index in chosen:
        node = document.entry("nodes", index)
        if "mesh" not in node:
            continue
        parts = [read_primitive(document, entry) for entry in document.entry("meshes", node["mesh"])["primitives"]]
        faceless += sum(not len(part.faces) for part in parts)
        parts = [part for part in parts if len(part.faces)]
        if parts:
            found += _placed_nodes(document, index, parts, worlds)
    return MeshFile(tuple(found), tuple(_remarks(document, faceless, others)))


def _placed_nodes(
    document: Document, index: int, parts: Sequence[Primitive], worlds: list[NDArray[np.float64]]
) -> list[MeshNode]:
    """The node's mesh, or each of its instances."""
    node = document.entry("nodes", index)
    mesh = document.entry("meshes", node["mesh"])
    name = str(node.get("name") or mesh.get("name") or f"Node {index}")
    weights = node.get("weights") or mesh.get("weights") or ()
    placed = [positions(document, part, weights) for part in parts]
    world = worlds[index]
    if "skin" in node and all("WEIGHTS_0" in part.attributes for part in parts):
        skin = document.entry("skins", node["skin"])
        placed = [skinned(document, skin, part, points, worlds) for part, points in zip(parts, placed, strict=True)]
        world = np.eye(4)  # the joints place it
    whole = _joined(document, parts, placed)
    spread = node.get("extensions", {}).get(INSTANCING)
    if spread is None:
        return [replace(whole, name=name, to_blender=TO_BLENDER @ world, place=GltfPlace(document, index))]
    return [replace(whole, name=f"{name}.{number:03d}" if number else name, to_blender=TO_BLENDER @ world @ matrix,
                    place=GltfPlace(document, index, (number, matrix)))
            for number, matrix in enumerate(instances(document, spread.get("attributes", {})))]


def _joined(document: Document, parts: Sequence[Primitive], placed: Sequence[NDArray[np.float64]]) -> MeshNode:
    """All primitives as one mesh, without a name and a place."""
    starts = np.cumsum([0, *(len(points) for points in placed)])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    materials = [part.entry.get("material") for part in parts]
    known = list(dict.fromkeys(index for index in materials if index is not None))
    surfaces: tuple[Surface, ...] = tuple(read_surface(document, index) for index in known)
    surface = np.concatenate([np.full(len(part.faces), -1 if index is None else known.index(index))
                              for part, index in zip(parts, materials, strict=True)])
    uvs = [_uvs(part, uv_set(document, index)) for part, index in zip(parts, materials, strict=True)]
    colors, normals = [_colors(part) for part in parts], [_corners(part, "NORMAL") for part in parts]
    shown = [np.ones((len(part.faces), 3, 4)) if values is None else values
             for part, values in zip(parts, colors, strict=True)]
    return MeshNode("", np.concatenate(placed), faces, np.eye(4), _all(uvs),
                    None if all(values is None for values in colors) else np.concatenate(shown), _all(normals),
                    surfaces, surface)


def _all(values: Sequence[NDArray | None]) -> NDArray | None:
    known = [array for array in values if array is not None]
    return np.concatenate(known).astype(np.float32) if len(known) == len(values) else None


def _corners(part: Primitive, name: str) -> NDArray[np.float64] | None:
    values = part.floats(name)
    return None if values is None else values[part.faces]


def _uvs(part: Primitive, number: int) -> NDArray[np.float64] | None:
    """UVs [F, 3, 2], v up, of that set, or of the first where it lacks that."""
    found = _corners(part, f"TEXCOORD_{number}")
    found = _corners(part, "TEXCOORD_0") if found is None else found
    return None if found is None else found * (1, -1) + (0, 1)


def _colors(part: Primitive) -> NDArray[np.float64] | None:
    """sRGB and alpha [F, 3, 4]; they are linear in the file."""
    found = _corners(part, "COLOR_0")
    if found is None:
        return None
    alpha = found[..., 3:] if found.shape[2] == 4 else np.ones((*found.shape[:2], 1))
    shown = np.concatenate([linear_to_srgb(np.clip(found[..., :3], 0, None)), alpha], axis=2)
    return np.nan_to_num(shown, nan=1.0).clip(0, 1)


def _remarks(document: Document, faceless: int, others: Sequence[int]) -> list[str]:
    """What was not read."""
    said = []
    if faceless:
        said.append(f"{faceless} part{'s' * (faceless > 1)} of points or lines, or without any triangle, "
                    f"{'were' if faceless > 1 else 'was'} left out.")
    outside = [str(document.entry("nodes", index).get("name") or f"node {index}") for index in others
               if "mesh" in document.entry("nodes", index)]
    if outside:
        said.append(f"Not in the file's scene, and left out: {', '.join(outside[:5])}{', …' * (len(outside) > 5)}.")
    used = document.scene.get("extensionsUsed") or ()
    said += [f"Its images are compressed ({name}) and are not read." for name in UNREAD_IMAGES if name in used]
    return said
