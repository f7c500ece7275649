# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY headers, and binary PLY files whose faces differ in their numbers of corners.

Blender writes such files by default; trimesh reads only those whose faces are all alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..contract import MeshData

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}
_LARGEST_HEADER = 1 << 16
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class PlyHeader:
    """What a PLY file says about itself. `elements` maps a name to its count and the words of its properties."""

    form: str
    elements: dict[str, tuple[int, list[list[str]]]]
    length: int

    @classmethod
    def read(cls, path: Path) -> PlyHeader:
        """Raises ValueError for a file without a PLY header, OSError for one that cannot be opened."""
        with path.open("rb") as file:
            start = file.read(_LARGEST_HEADER)
        end = re.search(rb"^end_header\r?\n", start, re.MULTILINE)
        if not start.startswith(b"ply") or end is None:
            raise ValueError("there is no PLY header")
        lines = [line.split() for line in start[: end.start()].decode("ascii", "replace").splitlines()]
        form, elements = "", {}
        for words in filter(None, lines):
            if words[0] == "format":
                form = words[1]
            elif words[0] == "element":
                properties: list[list[str]] = []
                elements[words[1]] = (int(words[2]), properties)
            elif words[0] == "property":
                properties.append(words[1:])
        return cls(form, elements, end.end())

    @property
    def face_count(self) -> int:
        """How many faces there should be."""
        return self.elements.get("face", (0, []))[0]


def read_polygons(path: Path) -> MeshData:
    """The mesh of a binary PLY file, every face cut into a fan of triangles.

    Raises ValueError for a file of another form, or one that is cut off, OSError for one that cannot be opened.
    """
    header = PlyHeader.read(path)
    if header.form not in _BYTE_ORDERS:
        raise ValueError("it is not binary")
    order, data, at = _BYTE_ORDERS[header.form], path.read_bytes(), header.length
    vertices, triangles = np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    try:
        for name, (count, properties) in header.elements.items():
            if name == "face":
                triangles, at = _faces(data, at, count, properties, order)
            else:
                row = np.dtype([(words[1], order + _TYPES[words[0]]) for words in properties])
                if name == "vertex":
                    rows = np.frombuffer(data, row, count, at)
                    vertices = np.stack([rows[axis] for axis in "xyz"], axis=1)
                at += row.itemsize * count
    except (KeyError, IndexError) as error:
        raise ValueError(f"it is cut off, or of an unknown form: {error}") from error
    return MeshData(vertices, triangles)


def _faces(data: bytes, at: int, count: int, properties: list[list[str]], order: str) -> tuple[np.ndarray, int]:
    """Triangles int64 [T, 3] of the faces that begin at byte `at`, and where they end."""
    lists = [number for number, words in enumerate(properties) if words[0] == "list"]
    if len(lists) != 1:
        raise ValueError("its faces hold other lists than their corners")
    before, after = (sum(np.dtype(_TYPES[words[0]]).itemsize for words in part)
                     for part in (properties[: lists[0]], properties[lists[0] + 1 :]))
    count_type, index_type = (np.dtype(order + _TYPES[word]) for word in properties[lists[0]][1:3])
    byte_order: Literal["little", "big"] = "little" if order == "<" else "big"
    corners, starts = np.empty(count, np.int64), np.empty(count, np.int64)
    for number in range(count):
        at += before
        corners[number] = int.from_bytes(data[at : at + count_type.itemsize], byte_order)
        starts[number] = at = at + count_type.itemsize
        at += int(corners[number]) * index_type.itemsize + after
        if at > len(data):
            raise IndexError(f"face {number + 1} of {count}")
    indices = np.frombuffer(data, np.uint8)
    triangles = []
    for size in np.unique(corners[corners >= 3]):
        first = starts[corners == size, None] + np.arange(size * index_type.itemsize)
        polygons = indices[first].view(index_type).astype(np.int64)
        fans = [polygons[:, [0, corner, corner + 1]] for corner in range(1, size - 1)]
        triangles.append(np.stack(fans, axis=1).reshape(-1, 3))
    return np.concatenate([np.zeros((0, 3), np.int64), *triangles]), at
