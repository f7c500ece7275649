# SPDX-License-Identifier: GPL-3.0-or-later
"""A glTF file's JSON as it stands there, and the bytes that it refers to.

The JSON stays as plain dictionaries, so that what is not understood here is still there when it is written back.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from ..unreadable import Unreadable

MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<II")
_JSON, _BIN = 0x4E4F534A, 0x004E4942
Entry = dict[str, Any]


@dataclass
class Document:
    """One file.

    Attributes:
        path: of the file, next to which its buffers and images are.
        scene: its JSON.
        binary: the binary chunk of a GLB file.
    """

    path: Path
    scene: Entry
    binary: bytes | None = None
    _buffers: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Raises Unreadable for what is no glTF 2 file or is cut off, OSError for one that cannot be opened."""
        content = path.read_bytes()
        text, binary = _chunks(content) if content[:4] == b"glTF" else (content, None)
        try:
            scene = json.loads(text.rstrip(b"\0").decode("utf-8-sig"))  # some programs pad it with zeros
        except (ValueError, RecursionError) as error:  # one nested thousands deep cannot be read
            raise Unreadable(f"It is no glTF file: its JSON is damaged ({error}).") from error
        if not isinstance(scene, dict) or "asset" not in scene:
            raise Unreadable("It is no glTF file: it lacks the entry 'asset'.")
        version = str(scene["asset"].get("version", ""))
        if version.split(".")[0] != "2":
            raise Unreadable(f"It is of glTF {version or 'without a version'}; glTF 2 is read.",
                             "Open it in a program that still reads it, and save it as GLB.")
        return cls(path, scene, binary)

    def entries(self, kind: str) -> list[Entry]:
        """The list of that name, such as "nodes"; empty where there is none."""
        found = self.scene.get(kind)
        return found if isinstance(found, list) else []

    def entry(self, kind: str, index: Any) -> Entry:
        """Raises Unreadable where there is no such entry."""
        found = self.entries(kind)
        if not isinstance(index, int) or not 0 <= index < len(found) or not isinstance(found[index], dict):
            raise Unreadable(f"It refers to {kind}[{index}], which it does not have.")
        entry: Entry = found[index]
        return entry

    def view(self, index: int) -> tuple[bytes, int]:
        """(the bytes of a buffer view, its stride or 0)."""
        view = self.entry("bufferViews", index)
        compressed = next((name for name in MESHOPT if name in view.get("extensions", {})), None)
        if compressed and not self._holds(view):
            raise Unreadable(f"It is compressed with meshopt ({compressed}), which is not read.",
                             "Export it without this compression (gltfpack: without -c).")
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        data = self.buffer(view["buffer"])
        if start + length > len(data):
            raise Unreadable(f"Its buffer {view['buffer']} is cut off: it holds {len(data):,} bytes, "
                             f"{start + length:,} are used.")
        return data[start : start + length], int(view.get("byteStride", 0))

    def buffer(self, index: int) -> bytes:
        """The bytes of a buffer."""
        if index not in self._buffers:
            uri = self.entry("buffers", index).get("uri")
            if uri is None and (index or self.binary is None):
                raise Unreadable(f"Its buffer {index} names no file.")
            self._buffers[index] = self.binary or b"" if uri is None else self.resource(uri)
        return self._buffers[index]

    def resource(self, uri: str) -> bytes:
        """The content of a data URI, or of the file of that percent-encoded name next to this one."""
        if uri.startswith("data:"):
            return _of_data_uri(uri)
        if "://" in uri:
            raise Unreadable(f"It refers to {uri}, which is not on this computer.",
                             "Download it next to the file, or save the file as GLB.")
        # By the standard it is percent-encoded; some programs write the plain name, or that of a Windows path.
        for name in (unquote(uri), uri, unquote(uri).replace("\\", "/")):
            if "\0" not in name and (self.path.parent / name).is_file():
                return (self.path.parent / name).read_bytes()
        raise Unreadable(f"It refers to {unquote(uri)}, which is not next to it.",
                         "Put that file where it was, or save it as GLB, which is one file.")

    def _holds(self, view: Entry) -> bool:
        """Whether the plain bytes of a compressed view are there, too, as a fallback."""
        buffer = self.entry("buffers", view["buffer"])
        return "uri" in buffer or (view["buffer"] == 0 and self.binary is not None and not any(
            name in buffer.get("extensions", {}) for name in MESHOPT))


def glb(scene: Entry, binary: bytes) -> bytes:
    """The content of a GLB file; its first buffer is `binary`, if there is any."""
    text = json.dumps(scene, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = _CHUNK.pack(len(text), _JSON) + text
    if binary:
        binary += b"\0" * (-len(binary) % 4)
        chunks += _CHUNK.pack(len(binary), _BIN) + binary
    return _HEADER.pack(b"glTF", 2, _HEADER.size + len(chunks)) + chunks


def _chunks(content: bytes) -> tuple[bytes, bytes | None]:
    """(JSON, the binary chunk) of a GLB file."""
    if len(content) < _HEADER.size:
        raise Unreadable("It is cut off.")
    _, version, size = _HEADER.unpack_from(content)
    if version != 2:
        raise Unreadable(f"It is a binary glTF file of version {version}; version 2 is read.",
                         "Open it in a program that still reads it, and save it as GLB.")
    if size > len(content):
        raise Unreadable(f"It is cut off: {len(content):,} of {size:,} bytes are there.")
    at = _HEADER.size
    found: dict[int, bytes] = {}
    while at + _CHUNK.size <= size:
        length, kind = _CHUNK.unpack_from(content, at)
        at += _CHUNK.size
        if at + length > size:
            raise Unreadable("It is cut off: a part of it reaches beyond its end.")
        found.setdefault(kind, content[at : at + length])
        at += length
    if _JSON not in found:
        raise Unreadable("It is no glTF file: it holds no JSON.")
    return found[_JSON], found.get(_BIN)


def _of_data_uri(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    if not comma:
        raise Unreadable("One of its data URIs is damaged.")
    if not head.endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        plain = unquote(data).replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain.rstrip("=")) % 4 - plain.count("=")))
    except binascii.Error as error:
        raise Unreadable(f"One of its data URIs is damaged ({error}).") from error
