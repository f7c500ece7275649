# SPDX-License-Identifier: GPL-3.0-or-later
"""STL files, text and binary: one mesh each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .nodes import MeshFile, MeshNode
from .unreadable import Unreadable

_HEADER = 84
_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(rb"^\s*vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.MULTILINE | re.IGNORECASE)
_FACET = re.compile(rb"^\s*facet\b", re.MULTILINE | re.IGNORECASE)


def read_stl(path: Path) -> MeshFile:
    """Raises Unreadable, OSError."""
    content = path.read_bytes()
    corners = _of_text(content) if _is_text(content) else _of_binary(content)
    if not len(corners):
        return MeshFile(())
    faces = np.arange(len(corners) * 3).reshape(-1, 3)
    return MeshFile((MeshNode(path.stem, corners.reshape(-1, 3), faces, np.eye(4)),))


def _is_text(content: bytes) -> bool:
    """A binary file may begin with "solid", too: its size is what its number of triangles demands."""
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower() != b"solid":
        return False
    if len(content) >= _HEADER:
        count = int.from_bytes(content[80:84], "little")
        if len(content) == _HEADER + count * _ROW.itemsize:
            return False
    return b"\0" not in content[:512] or b"facet" in content[:512].lower()


def _of_binary(content: bytes) -> NDArray[np.float64]:
    """Corners [F, 3, 3]."""
    if len(content) < _HEADER:
        raise Unreadable("It is no STL file, or is cut off: its header is not whole.")
    count = int.from_bytes(content[80:84], "little")
    held = (len(content) - _HEADER) // _ROW.itemsize
    if held < count:
        printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in content[:_HEADER])
        kind = "It is no STL file" if printable == _HEADER else "It is cut off"
        raise Unreadable(f"{kind}: {held:,} of {count:,} triangles are there.")
    rows = np.frombuffer(content, _ROW, count, _HEADER)
    return rows["corners"].astype(np.float64)


def _of_text(content: bytes) -> NDArray[np.float64]:
    """Corners [F, 3, 3] of all of its solids."""
    found = _VERTEX.findall(content)
    facets = len(_FACET.findall(content))
    ends = len(re.findall(rb"^\s*endsolid\b", content, re.MULTILINE | re.IGNORECASE))
    if len(found) != 3 * facets or (facets and not ends):
        raise Unreadable(f"It is damaged or cut off: {facets:,} facets have {len(found):,} vertices"
                         f"{'' if ends else ', and its end is missing'}.")
    try:
        return np.array(found, np.float64).reshape(-1, 3, 3)
    except ValueError as error:
        raise Unreadable(f"It is damaged: {error}.") from error
