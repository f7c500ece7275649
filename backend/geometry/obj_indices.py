# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative indices in OBJ files, which count back from the last vertex so far; trimesh counts from the file's end."""

from __future__ import annotations

import re

_NOT_ABSOLUTE = re.compile(rb"^f[^\n]*[\s/](?:-\d|0(?=[\s/]|$))", re.MULTILINE)


def with_absolute_indices(content: bytes) -> bytes:
    """The file's content with indices from 1 in all faces; unchanged where none is negative.

    Raises ValueError for an index that counts back beyond the first vertex, and for 0, which stands for none.
    """
    if not _NOT_ABSOLUTE.search(content):
        return content
    counts = {b"v": 0, b"vt": 0, b"vn": 0}
    lines = []
    for line in content.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        words = line.split()
        if words and words[0] in counts:
            counts[words[0]] += 1
        elif words and words[0] == b"f":
            line = b"f " + b" ".join(_absolute(corner, tuple(counts.values())) for corner in words[1:])
        lines.append(line)
    return b"\n".join(lines)


def _absolute(corner: bytes, counts: tuple[int, ...]) -> bytes:
    """A corner `v`, `v/vt`, `v//vn` or `v/vt/vn`; `counts` are of vertices, texture vertices and normals so far."""
    indices = []
    for word, count in zip(corner.split(b"/"), counts, strict=False):
        index = int(word) if word else 1
        if index == 0 or index < -count:
            raise ValueError(f"a face has the index {index} after {count} vertices")
        indices.append(str(count + 1 + index).encode() if index < 0 else word)
    return b"/".join(indices)
