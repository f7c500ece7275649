# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes out of a glTF file what nothing in it refers to any longer: images and vertices that were replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .document import Entry
from .extensions import DRACO, INSTANCING

Reference = tuple[Any, Any]
"""A dictionary or list, and the key at which it holds an index."""
_LISTS = ("meshes", "materials", "textures", "images", "accessors", "bufferViews")
_VARIANTS = "KHR_materials_variants"
_WITHOUT_REFERENCES = ("KHR_materials_", "EXT_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_punctual",
                       "KHR_mesh_quantization", "KHR_xmp", "KHR_node_", DRACO, INSTANCING)
"""Extensions, by the start of their names, of which `_references` knows every index."""


def prune(scene: Entry, binary: bytes) -> bytes:
    """Take unused entries out of the lists of `scene`, whose views are all of `binary`; returns what is left of that.

    A file with extensions that may refer to entries in ways that are not known here stays as it is.
    """
    if any(not str(name).startswith(_WITHOUT_REFERENCES) for name in scene.get("extensionsUsed") or ()):
        return binary
    for kind in _LISTS:
        found = list(_references(scene, kind))
        used = sorted({holder[key] for holder, key in found})
        if kind in scene and len(used) < len(scene[kind]):
            scene[kind] = [scene[kind][index] for index in used]
            places = {index: place for place, index in enumerate(used)}
            for holder, key in found:
                holder[key] = places[holder[key]]
            if not scene[kind]:
                del scene[kind]
    left = bytearray()
    for view in scene.get("bufferViews", ()):
        start = view.get("byteOffset", 0)
        left += b"\0" * (-len(left) % 4)
        view["byteOffset"] = len(left)
        left += binary[start : start + view["byteLength"]]
    return bytes(left)


def _references(scene: Entry, kind: str) -> Iterator[Reference]:
    """Every place that holds an index of an entry of the list `kind`."""
    primitives = [part for mesh in scene.get("meshes", ()) for part in mesh["primitives"]]
    if kind == "meshes":
        yield from _of(scene.get("nodes", ()), "mesh")
    elif kind == "materials":
        yield from _of(primitives, "material")
        for part in primitives:
            yield from _of(part.get("extensions", {}).get(_VARIANTS, {}).get("mappings", ()), "material")
    elif kind == "textures":
        for material in scene.get("materials", ()):
            yield from _of(texture_infos(material), "index")
    elif kind == "images":
        for texture in scene.get("textures", ()):
            yield from _of([texture, *texture.get("extensions", {}).values()], "source")
    elif kind == "accessors":
        yield from _accessors(scene, primitives)
    else:
        accessors = scene.get("accessors", ())
        sparse = [item["sparse"][part] for item in accessors if "sparse" in item for part in ("indices", "values")]
        packed = [part["extensions"][DRACO] for part in primitives if DRACO in part.get("extensions", {})]
        yield from _of([*accessors, *sparse, *packed, *scene.get("images", ())], "bufferView")


def texture_infos(entry: Any) -> Iterator[Entry]:
    """Every reference to a texture within a material, also in its extensions."""
    for key, value in entry.items() if isinstance(entry, dict) else ():
        if isinstance(value, dict):
            if key.endswith("Texture") and isinstance(value.get("index"), int):
                yield value
            yield from texture_infos(value)


def _accessors(scene: Entry, primitives: list[Entry]) -> Iterator[Reference]:
    for part in primitives:
        for attributes in (part["attributes"], *(part.get("targets") or ())):
            yield from ((attributes, name) for name in attributes)
    yield from _of(primitives, "indices")
    yield from _of(scene.get("skins", ()), "inverseBindMatrices")
    for animation in scene.get("animations", ()):
        yield from _of(animation.get("samplers", ()), "input")
        yield from _of(animation.get("samplers", ()), "output")
    for node in scene.get("nodes", ()):
        attributes = node.get("extensions", {}).get(INSTANCING, {}).get("attributes", {})
        yield from ((attributes, name) for name in attributes)


def _of(entries: Any, key: str) -> Iterator[Reference]:
    yield from ((entry, key) for entry in entries if isinstance(entry, dict) and key in entry)
