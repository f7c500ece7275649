# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes glTF files with accessors exactly as given, without a library in between."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

_KINDS = {"f4": 5126, "u2": 5123, "i2": 5122, "u1": 5121, "i1": 5120, "u4": 5125}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GltfBuilder:
    """One file. `scene` is its JSON, `binary` its buffer."""

    def __init__(self) -> None:
        self.binary = b""
        self.scene: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": [], "meshes": [],
                                      "nodes": [], "scenes": [{"nodes": []}], "scene": 0}

    def view(self, data: bytes, **further: Any) -> int:
        """The index of a new buffer view."""
        self.binary += b"\0" * (-len(self.binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        self.scene["bufferViews"].append(view | further)
        self.binary += data
        return len(self.scene["bufferViews"]) - 1

    def accessor(self, values: np.ndarray, **further: Any) -> int:
        """The index of a new accessor."""
        table = np.ascontiguousarray(values).reshape(len(values), -1)
        room = -table.dtype.itemsize * table.shape[1] % 4 if table.shape[1] > 1 else 0
        rows = b"".join(row.tobytes() + b"\0" * room for row in table)
        stride = {"byteStride": len(rows) // len(table)} if room else {}
        self.scene["accessors"].append({
            "bufferView": self.view(rows, **stride), "componentType": _KINDS[table.dtype.str[1:]], "count": len(table),
            "type": _TYPES[table.shape[1]], "min": table.min(axis=0).tolist(), "max": table.max(axis=0).tolist(),
        } | further)
        return len(self.scene["accessors"]) - 1

    def mesh(self, *primitives: dict[str, Any], **further: Any) -> int:
        """The index of a new mesh."""
        self.scene["meshes"].append({"primitives": list(primitives)} | further)
        return len(self.scene["meshes"]) - 1

    def node(self, root: bool = True, **entry: Any) -> int:
        """The index of a new node, in the scene if it is a root."""
        self.scene["nodes"].append(entry)
        index = len(self.scene["nodes"]) - 1
        if root:
            self.scene["scenes"][0]["nodes"].append(index)
        return index

    def write_glb(self, path: Path) -> Path:
        """Write it with the binary chunk."""
        binary = self.binary + b"\0" * (-len(self.binary) % 4)
        self.scene["buffers"] = [{"byteLength": len(binary)}]
        text = json.dumps(self.scene).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + len(binary)
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON") + text
                         + struct.pack("<I4s", len(binary), b"BIN\0") + binary)
        return path

    def write_gltf(self, path: Path, uri: str) -> Path:
        """Write the JSON, its buffer under that URI; the caller writes the buffer's file."""
        self.scene["buffers"] = [{"byteLength": len(self.binary), "uri": uri}]
        path.write_text(json.dumps(self.scene), encoding="utf-8")
        return path


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """(JSON, binary chunk) of a GLB file."""
    content = path.read_bytes()
    size = int.from_bytes(content[12:16], "little")
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def cube() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(positions float32 [24, 3] in the unit cube, normals, UVs in six islands, indices uint16 [36])."""
    positions, normals, uvs, indices = [], [], [], []
    for side in range(6):
        axis, high = side // 2, side % 2
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        corners = []
        for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [0.0, 0.0, 0.0]
            corner[axis], corner[first], corner[second] = high, a, b
            corners.append(corner)
        start, left, low = len(positions), (side % 3) / 3, (side // 3) / 2
        positions += corners if high else corners[::-1]
        normals += [[(2.0 * high - 1.0) * (place == axis) for place in range(3)]] * 4
        uvs += [[left + x, low + y] for x, y in ((0.02, 0.02), (0.31, 0.02), (0.31, 0.46), (0.02, 0.46))]
        indices += [start, start + 1, start + 2, start, start + 2, start + 3]
    return (np.array(positions, np.float32), np.array(normals, np.float32), np.array(uvs, np.float32),
            np.array(indices, np.uint16))


def cube_primitive(builder: GltfBuilder, **further: Any) -> dict[str, Any]:
    """A primitive of the cube with normals and UVs."""
    positions, normals, uvs, indices = cube()
    return {"attributes": {"POSITION": builder.accessor(positions), "NORMAL": builder.accessor(normals),
                           "TEXCOORD_0": builder.accessor(uvs)}, "indices": builder.accessor(indices)} | further
