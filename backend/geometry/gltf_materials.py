# SPDX-License-Identifier: GPL-3.0-or-later
"""A material for every primitive of a glTF file: trimesh reads the texture coordinates of those only that have one."""

from __future__ import annotations

import json
import struct
from typing import Any

_HEADER = struct.Struct("<4sIII4s")


def with_materials(content: bytes) -> bytes:
    """The content of a GLB or glTF file, with a plain material where a primitive has none; else unchanged."""
    if content[:4] != b"glTF":
        scene = json.loads(content)
        return json.dumps(scene).encode() if _complete(scene) else content
    magic, version, _, size, kind = _HEADER.unpack_from(content)
    scene = json.loads(content[_HEADER.size : _HEADER.size + size])
    if not _complete(scene):
        return content
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    rest = content[_HEADER.size + size :]
    return _HEADER.pack(magic, version, _HEADER.size + len(text) + len(rest), len(text), kind) + text + rest


def _complete(scene: dict[str, Any]) -> bool:
    """Put the material in place; False where none was missing."""
    bare = [part for mesh in scene.get("meshes", []) for part in mesh["primitives"] if "material" not in part]
    if bare:
        materials = scene.setdefault("materials", [])
        materials.append({})
        for part in bare:
            part["material"] = len(materials) - 1
    return bool(bare)
