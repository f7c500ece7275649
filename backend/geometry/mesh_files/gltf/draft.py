# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a glTF file in memory, with all of its data in one buffer, to which more is added."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..unreadable import Unreadable
from .accessors import COMPONENTS
from .document import MESHOPT, Document, Entry, glb
from .extensions import DRACO, INSTANCING
from .prune import prune

_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"\xabKTX": "image/ktx2"}


class Draft:
    """The copy.

    Attributes:
        scene: its JSON, which may be changed at will.
        remarks: what could not be kept, as sentences.
    """

    def __init__(self, document: Document) -> None:
        self.scene: Entry = copy.deepcopy(document.scene)
        self.remarks: list[str] = []
        self._binary = bytearray()
        starts = {index: self._append(document.buffer(index)) for index, entry in enumerate(self.entries("buffers"))
                  if "uri" in entry or (index == 0 and document.binary is not None)}
        for view in self.entries("bufferViews"):
            for name in MESHOPT:  # its plain bytes are there, or the file would not have been read
                view.get("extensions", {}).pop(name, None)
            view["byteOffset"] = view.get("byteOffset", 0) + starts.get(view["buffer"], 0)
            view["buffer"] = 0
        self._take_images_in(document)

    def entries(self, kind: str) -> list[Entry]:
        """The list of that name, made where there is none."""
        found: list[Entry] = self.scene.setdefault(kind, [])
        return found

    def add(self, kind: str, entry: Entry) -> int:
        """The index of the new entry."""
        self.entries(kind).append(entry)
        return len(self.scene[kind]) - 1

    def add_view(self, data: bytes, **further: Any) -> int:
        """The index of a new buffer view with these bytes."""
        view = {"buffer": 0, "byteOffset": self._append(data), "byteLength": len(data)}
        return self.add("bufferViews", view | further)

    def add_accessor(self, values: NDArray, normalized: bool = False, bounds: bool = False) -> int:
        """The index of a new accessor with the values [N, C], of a type that glTF has."""
        count, width = values.shape
        kind = next(code for code, dtype in COMPONENTS.items() if dtype == values.dtype.newbyteorder("<"))
        room = np.zeros((count, -(-values.itemsize * width // 4) * 4), np.uint8)
        data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8).reshape(count, -1)
        room[:, : data.shape[1]] = data
        further = {"byteStride": room.shape[1]} if room.shape[1] != data.shape[1] else {}
        plain = room if further else data
        entry: Entry = {"bufferView": self.add_view(plain.tobytes(), **further), "componentType": kind, "count": count,
                        "type": _TYPES[width]}
        if normalized:
            entry["normalized"] = True
        if bounds and count:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        return self.add("accessors", entry)

    def add_texture(self, content: bytes, name: str) -> int:
        """The index of a new texture of a PNG image."""
        image = {"name": name, "mimeType": "image/png", "bufferView": self.add_view(content)}
        return self.add("textures", {"name": name, "source": self.add("images", image)})

    def finished(self) -> bytes:
        """The content of a GLB file."""
        for kind in [key for key, value in self.scene.items() if value == []]:
            del self.scene[kind]
        self._forget_unused_extensions()
        self.scene.pop("buffers", None)
        binary = prune(self.scene, bytes(self._binary))
        if binary:
            self.scene["buffers"] = [{"byteLength": len(binary)}]
        return glb(self.scene, binary)

    def _append(self, data: bytes) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        start = len(self._binary)
        self._binary += data
        return start

    def _take_images_in(self, document: Document) -> None:
        for image in self.scene.get("images", ()):
            if "uri" not in image:
                continue
            try:
                content = document.resource(image["uri"])
            except (Unreadable, OSError) as error:
                self.remarks.append(f"An image of the file is missing and was left out: {error}")
                continue
            kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
            image.setdefault("name", "" if image["uri"].startswith("data:") else image["uri"])
            del image["uri"]
            image |= {"mimeType": kind or image.get("mimeType", "image/png"), "bufferView": self.add_view(content)}

    def _forget_unused_extensions(self) -> None:
        """Those of shape that nothing uses any longer are demanded no longer."""
        parts = [part for mesh in self.scene.get("meshes", ()) for part in mesh["primitives"]]
        used = {DRACO: any(DRACO in part.get("extensions", {}) for part in parts),
                INSTANCING: any(INSTANCING in node.get("extensions", {}) for node in self.scene.get("nodes", ()))}
        gone = {name for name, stays in used.items() if not stays} | set(MESHOPT)
        for key in ("extensionsUsed", "extensionsRequired"):
            if key in self.scene:
                self.scene[key] = [name for name in self.scene[key] if name not in gone]
                if not self.scene[key]:
                    del self.scene[key]
