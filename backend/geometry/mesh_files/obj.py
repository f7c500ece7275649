# SPDX-License-Identifier: GPL-3.0-or-later
"""Wavefront OBJ files: a mesh for each object, with its UVs, colors, normals and materials."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frames import BLENDER_TO_Y_UP
from .nodes import MeshFile, MeshNode
from .obj_materials import read_materials
from .polygons import triangulated
from .surfaces import Surface
from .unreadable import Unreadable

_NAMES = (b"o", b"usemtl", b"mtllib")
_ONLY_POLYGONS = "Its free-form curves and surfaces are not read: only polygons are."
_CURVED = (b"curv", b"curv2", b"surf", b"cstype")


@dataclass
class _Object:
    """Faces of one object: corners as indices of vertex, UV and normal from 0, -1 for none."""

    name: str
    corners: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    material: list[str] = field(default_factory=list)


@dataclass
class _Text:
    """What the lines of a file say."""

    rows: dict[bytes, list[bytes]] = field(default_factory=lambda: {b"v": [], b"vt": [], b"vn": []})
    objects: list[_Object] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    skipped: set[bytes] = field(default_factory=set)


def read_obj(path: Path, materials: bool) -> MeshFile:
    """With `materials` also the images of its material libraries. Raises Unreadable, OSError."""
    text = _parsed(path.read_bytes())
    table = _numbers(text.rows[b"v"], "vertex", 3)
    vertices, colors = table[:, :3], _colors(table)
    remarks = [_ONLY_POLYGONS] if text.skipped & set(_CURVED) else []
    uvs = _optional(text, b"vt", "texture vertex", 1, remarks)[:, :2]
    normals = _optional(text, b"vn", "normal", 3, remarks)
    uvs = np.column_stack([uvs, np.zeros((len(uvs), 2 - uvs.shape[1]))])
    known = read_materials(path, text.libraries) if materials else {}
    nodes = [_node(item, vertices, colors, uvs, normals, known) for item in text.objects if item.sizes]
    return MeshFile(tuple(node for node in nodes if len(node.faces)), tuple(remarks))


def _parsed(content: bytes) -> _Text:
    text, material = _Text(), ""
    current = _Object("")
    text.objects.append(current)
    rows = text.rows
    for word, rest in _statements(content):
        if word in rows:
            rows[word].append(rest)
        elif word == b"f":
            _add_face(current, rest, rows, material)
        elif word == b"o":
            current = _Object(rest.decode("utf-8", "replace"))
            text.objects.append(current)
        elif word == b"usemtl":
            material = rest.decode("utf-8", "replace")
        elif word == b"mtllib":
            text.libraries.append(rest.decode("utf-8", "replace"))
        else:
            text.skipped.add(word)
    return text


def _statements(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keyword and data of every line: continued lines joined, comments and byte order marks left out."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content[:4096]:
        raise Unreadable("It is no OBJ file: it holds binary data.")
    if b"\\" in content:
        content = content.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").replace(b"\\\r", b" ")
    for line in content.splitlines():
        word, _, rest = line.strip().replace(b"\t", b" ").partition(b" ")
        if b"#" in rest and word not in _NAMES:
            rest = rest.partition(b"#")[0]
        if word and not word.startswith(b"#"):
            yield word.partition(b"#")[0], rest.strip()


def _add_face(item: _Object, rest: bytes, rows: dict[bytes, list[bytes]], material: str) -> None:
    words = rest.split()
    if len(words) < 3:
        return  # a point or a line, as some programs write them
    for word in words:
        vertex, _, others = word.partition(b"/")
        uv, _, normal = others.partition(b"/")
        item.corners += (_index(vertex, rows[b"v"], word), _index(uv, rows[b"vt"], word) if uv else -1,
                         _index(normal, rows[b"vn"], word) if normal else -1)
    item.sizes.append(len(words))
    item.material.append(material)


def _index(word: bytes, rows: Sequence[bytes], corner: bytes) -> int:
    """From 0; a negative one counts back from the last row so far."""
    try:
        index = int(word)
    except ValueError:
        raise Unreadable(f"It is damaged: '{corner.decode('utf-8', 'replace')}' is no corner of a face.") from None
    found = len(rows) + index if index < 0 else index - 1
    if found < 0:
        raise Unreadable(f"A face has the index {index} after {len(rows)} vertices.")
    return found


def _optional(text: _Text, word: bytes, what: str, least: int, remarks: list[str]) -> NDArray[np.float64]:
    """The rows as numbers; none, with a remark, where they are damaged: the shape does not depend on them."""
    try:
        return _numbers(text.rows[word], what, least)
    except Unreadable as error:
        remarks.append(f"A {what} of it was not read: {error.why}")
        return np.zeros((0, least))


def _numbers(rows: list[bytes], what: str, least: int) -> NDArray[np.float64]:
    """The rows as float64 [N, least or more]; rows differ in length only where some have more to say."""
    if not rows:
        return np.zeros((0, least))
    sizes = np.array([len(row.split()) for row in rows])
    if sizes.min() < least:
        place = int(sizes.argmin())
        raise Unreadable(f"It is damaged or cut off: {what} {place + 1} is '{rows[place].decode('utf-8', 'replace')}'.")
    try:
        values = np.array(b" ".join(rows).split(), np.float64)
    except ValueError as error:
        raise Unreadable(f"It is damaged: {error}.") from error
    if (sizes == sizes[0]).all():
        return values.reshape(len(rows), -1)
    table = np.full((len(rows), sizes.max()), np.nan)
    table[np.arange(sizes.max()) < sizes[:, None]] = values
    return table


def _colors(table: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Colors [V, 4] behind the positions, `v x y z r g b`; None where there are none. 4 numbers are x y z w."""
    if table.shape[1] < 6:
        return None
    return np.column_stack([np.nan_to_num(table[:, 3:6], nan=1.0).clip(0, 1), np.ones(len(table))])


def _node(
    item: _Object, vertices: NDArray[np.float64], colors: NDArray[np.float64] | None, uvs: NDArray[np.float64],
    normals: NDArray[np.float64], known: dict[str, Surface],
) -> MeshNode:
    corners = np.array(item.corners, np.int64).reshape(-1, 3)
    if corners[:, 0].max(initial=-1) >= len(vertices):
        raise Unreadable("Some of its faces name vertices that it does not hold.")
    for column, rows in ((1, uvs), (2, normals)):
        corners[corners[:, column] >= len(rows), column] = -1  # as Blender does: the shape does not depend on them
    triangles, owner = triangulated(vertices, corners[:, 0], np.array(item.sizes, np.int64))
    faces, uv, normal = corners[triangles].transpose(2, 0, 1)
    names = list(dict.fromkeys(item.material))
    surfaces = tuple(known.get(name, Surface(name)) for name in names)
    surface = np.array([names.index(name) for name in item.material], np.int64)[owner]
    return MeshNode(item.name or "mesh", vertices, faces, np.linalg.inv(BLENDER_TO_Y_UP),
                    uvs[uv].astype(np.float32) if (uv >= 0).all() and len(uvs) else None,
                    None if colors is None else colors[faces],
                    normals[normal, :3].astype(np.float32) if (normal >= 0).all() and len(normals) else None,
                    surfaces, surface)
