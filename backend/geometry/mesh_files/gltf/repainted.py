# SPDX-License-Identifier: GPL-3.0-or-later
"""A glTF file with new materials on some of its meshes, and all else of it as it was.

A new layout of UVs becomes the first set, and those of the file follow it with the textures that use them. Nodes,
skins, animations, morph targets, double-sidedness and whatever else the file has stay.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from ...appearance import ROUGHNESS
from ..surfaces import Surface
from .accessors import stored
from .document import Document, Entry
from .draft import Draft
from .extensions import DRACO, INSTANCING, SPECULAR_GLOSSINESS, TEXTURE_TRANSFORM
from .materials import read_surface, uv_set
from .primitives import Primitive, read_primitive
from .prune import texture_infos
from .reading import GltfPlace


@dataclass(frozen=True)
class Repaint:
    """What one mesh gets.

    Attributes:
        place: of the mesh in its file.
        name: of its material.
        uvs: a new layout, float32 [F, 3, 2], v up, in the file's order of faces; None where the file's own is used.
        images: PNG files' content by role: base_color, surface (roughness in green, metallic in blue), normal. None for
            an instance that stays as it is next to others that are painted.
        factors: metallicFactor and roughnessFactor to go with a surface.
    """

    place: GltfPlace
    name: str
    uvs: NDArray[np.float32] | None
    images: Mapping[str, bytes]
    factors: Mapping[str, float]


def repainted(document: Document, wanted: Sequence[Repaint]) -> tuple[bytes, tuple[str, ...]]:
    """(the content of a GLB file, what could not be kept, as sentences). Raises Unreadable, OSError."""
    draft = Draft(document)
    for paint in wanted:
        node = draft.entries("nodes")[paint.place.node]
        mesh = _painted_mesh(draft, document, paint) if paint.images else node["mesh"]
        if paint.place.instance is None:
            node["mesh"] = mesh
        else:
            _, matrix = paint.place.instance
            child: Entry = {"name": paint.name, "mesh": mesh}
            if not np.array_equal(matrix, np.eye(4)):
                child["matrix"] = matrix.T.ravel().tolist()
            node.setdefault("children", []).append(draft.add("nodes", child))
    for paint in wanted:  # instances became nodes
        node = draft.entries("nodes")[paint.place.node]
        if paint.place.instance is not None and "mesh" in node:
            del node["mesh"], node["extensions"][INSTANCING]
            if not node["extensions"]:
                del node["extensions"]
    return draft.finished(), tuple(dict.fromkeys(draft.remarks))


def _painted_mesh(draft: Draft, document: Document, paint: Repaint) -> int:
    """The index of a copy of the mesh, painted."""
    source = document.entry("meshes", document.entry("nodes", paint.place.node)["mesh"])
    mesh = copy.deepcopy(source)
    textures = {role: draft.add_texture(content, f"{paint.name} {role}") for role, content in paint.images.items()}
    parts = [(entry, part) for entry in mesh["primitives"] if len((part := read_primitive(document, entry)).faces)]
    made: dict[tuple[int | None, int], int] = {}
    several = len({entry.get("material") for entry, _ in parts}) > 1
    first = 0
    for entry, part in parts:
        old = entry.get("material")
        used = 0 if paint.uvs is not None else _used_set(document, part)
        if (old, used) not in made:
            made[old, used] = draft.add("materials", _material(draft, document, old, paint, textures, used, several))
        if paint.uvs is not None:
            _lay_out(draft, document, entry, part, paint.uvs[first : first + len(part.faces)])
        first += len(part.faces)
        entry["material"] = made[old, used]
        _set_colors_aside(draft, entry, paint.name)
        if "normal" in paint.images:
            entry["attributes"].pop("TANGENT", None)
            entry.get("extensions", {}).get(DRACO, {}).get("attributes", {}).pop("TANGENT", None)
    return draft.add("meshes", mesh)


def _used_set(document: Document, part: Primitive) -> int:
    number = uv_set(document, part.entry.get("material"))
    return number if f"TEXCOORD_{number}" in part.attributes else 0


def _material(
    draft: Draft, document: Document, old: int | None, paint: Repaint, textures: Mapping[str, int], used: int,
    several: bool,
) -> Entry:
    """The material of that index with the new maps; `used` is the set of UVs that these use."""
    material = {} if old is None else copy.deepcopy(draft.entries("materials")[old])
    if paint.uvs is not None:  # a new set has come before those that its other textures use
        for info in texture_infos(material):
            moved = info.get("extensions", {}).get(TEXTURE_TRANSFORM, {})
            if "texCoord" in moved:
                moved["texCoord"] += 1
            info["texCoord"] = info.get("texCoord", 0) + 1
    surface = None if old is None else read_surface(document, old)
    material["name"] = f"{paint.name} {surface.name}" if several and surface else paint.name
    factors = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS} if old is None else {}
    own = factors | material.get("pbrMetallicRoughness", {})
    if "surface" in textures:
        own |= {"metallicRoughnessTexture": _info(textures["surface"], used), **paint.factors}
    if "base_color" in textures:
        own["baseColorTexture"] = _info(textures["base_color"], used)
        own["baseColorFactor"] = [1.0, 1.0, 1.0, float(own.get("baseColorFactor", [1.0] * 4)[3])]
        if surface is not None:
            _drop_alpha(draft, material, surface, paint.name)
    if "normal" in textures:
        material["normalTexture"] = _info(textures["normal"], used)
    if material.get("extensions", {}).pop(SPECULAR_GLOSSINESS, None) is not None:
        draft.remarks.append(f"{paint.name}: its specular and glossiness maps were left out; viewers would show them "
                             "instead of the new texture.")
    material["pbrMetallicRoughness"] = own
    return material


def _info(texture: int, used: int) -> Entry:
    return {"index": texture} | ({"texCoord": used} if used else {})


def _drop_alpha(draft: Draft, material: Entry, surface: Surface, name: str) -> None:
    """Cut-outs came from the image that was replaced."""
    if material.get("alphaMode", "OPAQUE") == "OPAQUE" or surface.image is None:
        return
    try:
        opaque = (np.asarray(surface.image().convert("RGBA"))[..., 3] == 255).all()
    except (OSError, ValueError):
        opaque = False
    if not opaque:
        material.pop("alphaMode")
        material.pop("alphaCutoff", None)
        draft.remarks.append(f"{name}: the transparency of its old texture was left out.")


def _set_colors_aside(draft: Draft, entry: Entry, name: str) -> None:
    """Viewers would multiply the new texture by the vertices' colors."""
    for attributes in (entry["attributes"], entry.get("extensions", {}).get(DRACO, {}).get("attributes", {})):
        if "COLOR_0" in attributes:
            attributes["_COLOR_0"] = attributes.pop("COLOR_0")
            draft.remarks.append(f"{name}: its vertex colors are kept as the attribute _COLOR_0, since viewers would "
                                 "multiply the new texture by them.")


def _lay_out(draft: Draft, document: Document, entry: Entry, part: Primitive, uvs: NDArray[np.float32]) -> None:
    """Give the primitive the UVs [F, 3, 2] as its first set, its vertices parted where they part."""
    pairs = np.column_stack([part.faces.reshape(-1), np.ascontiguousarray(uvs).reshape(-1, 2).view(np.int32)])
    first, corners = trimesh.grouping.unique_rows(pairs)
    vertex = part.faces.reshape(-1)[first]
    attributes = {_later(name): draft.add_accessor(values[vertex], normalized, name == "POSITION")
                  for name, (values, normalized) in part.attributes.items()}
    down = (uvs.reshape(-1, 2)[first] * (1, -1) + (0, 1)).astype(np.float32)
    entry["attributes"] = {**attributes, "TEXCOORD_0": draft.add_accessor(down)}
    small = len(vertex) < np.iinfo(np.uint16).max
    entry["indices"] = draft.add_accessor(corners.reshape(-1, 1).astype(np.uint16 if small else np.uint32))
    for target in entry.get("targets") or ():
        for name, index in target.items():
            normalized = bool(document.entry("accessors", index).get("normalized"))
            target[name] = draft.add_accessor(stored(document, index)[vertex], normalized, name == "POSITION")
    entry.pop("mode", None)
    if entry.get("extensions", {}).pop(DRACO, None) is not None and not entry["extensions"]:
        del entry["extensions"]


def _later(name: str) -> str:
    """The name of an attribute behind a new first set of UVs."""
    kind, _, number = name.rpartition("_")
    return f"{kind}_{int(number) + 1}" if kind == "TEXCOORD" else name
