# SPDX-License-Identifier: GPL-3.0-or-later
"""A primitive of a glTF mesh: its attributes and its triangles, whatever their mode and compression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import DracoPy
import numpy as np
from numpy.typing import NDArray

from ..unreadable import Unreadable
from .accessors import as_floats, floats, stored
from .document import Document, Entry
from .extensions import DRACO

TRIANGLES, STRIP, FAN = 4, 5, 6
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Primitive:
    """Attributes as the file holds them, and triangles.

    Attributes:
        entry: its JSON.
        attributes: stored values [V, C] by name, and whether integers stand for shares (normalized).
        faces: int64 [F, 3], indices into the attributes; none where it is of points or lines.
    """

    entry: Entry
    attributes: dict[str, tuple[NDArray, bool]]
    faces: Indices

    def floats(self, name: str) -> Floats | None:
        """The attribute's values [V, C]; None where there is none."""
        if name not in self.attributes:
            return None
        return as_floats(*self.attributes[name])

    def sets(self, name: str) -> list[Floats]:
        """The values of `name`_0, `name`_1 and so on."""
        found: list[Floats] = []
        while (values := self.floats(f"{name}_{len(found)}")) is not None:
            found.append(values)
        return found


def read_primitive(document: Document, entry: Entry) -> Primitive:
    """Raises Unreadable."""
    if entry.get("mode", TRIANGLES) < TRIANGLES or "POSITION" not in entry.get("attributes", {}):
        return Primitive(entry, {}, np.zeros((0, 3), np.int64))
    packed = entry.get("extensions", {}).get(DRACO)
    if packed is not None:
        return _unpacked(document, entry, packed)
    attributes = {name: (stored(document, index), bool(document.entry("accessors", index).get("normalized")))
                  for name, index in entry["attributes"].items()}
    count = len(attributes["POSITION"][0])
    order = stored(document, entry["indices"])[:, 0] if "indices" in entry else np.arange(count)
    return Primitive(entry, attributes, _faces(order.astype(np.int64), entry.get("mode", TRIANGLES), count))


def positions(document: Document, primitive: Primitive, weights: Sequence[float]) -> Floats:
    """Positions float64 [V, 3], each morph target moved in by its weight."""
    placed = primitive.floats("POSITION")
    assert placed is not None  # a primitive with faces has some
    for target, weight in zip(primitive.entry.get("targets") or (), weights, strict=False):
        if weight and "POSITION" in target:
            moved = floats(document, target["POSITION"])
            if moved.shape != placed.shape:
                raise Unreadable("A morph target has another number of vertices than its mesh.")
            placed = placed + weight * moved
    return placed


def _faces(order: Indices, mode: int, count: int) -> Indices:
    """Triangles [F, 3] of the vertices in this order."""
    if len(order) and (order.min() < 0 or order.max() >= count):
        raise Unreadable("Some of its faces name vertices that it does not hold.")
    if mode == TRIANGLES:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if mode == FAN:
        first = np.broadcast_to(order[:1], max(len(order) - 2, 0))
        return np.stack([order[1:-1], order[2:], first], axis=1) if len(order) > 2 else np.zeros((0, 3), np.int64)
    if mode != STRIP:
        raise Unreadable(f"A mesh is of the unknown mode {mode}.")
    if len(order) < 3:
        return np.zeros((0, 3), np.int64)
    triangles = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)
    triangles[1::2] = triangles[1::2, [0, 2, 1]]
    a, b, c = triangles.T
    return triangles[(a != b) & (b != c) & (c != a)]  # strips are joined by triangles without area


def _unpacked(document: Document, entry: Entry, packed: dict[str, Any]) -> Primitive:
    """A primitive that is compressed with Draco."""
    data, _ = document.view(packed["bufferView"])
    try:
        mesh = DracoPy.decode(data)
    except (ValueError, DracoPy.FileTypeException) as error:
        raise Unreadable(f"Its Draco compression is damaged ({error}).",
                         "Export it without compression, or check that the file is whole.") from error
    order = np.asarray(mesh.faces).astype(np.int64).reshape(-1, 3)
    attributes = {}
    for name, unique in packed["attributes"].items():
        found = mesh.get_attribute_by_unique_id(unique)
        if found is None:
            raise Unreadable(f"Its Draco compression lacks {name}.", "Export it without compression.")
        index = entry["attributes"].get(name)
        normalized = index is not None and bool(document.entry("accessors", index).get("normalized"))
        attributes[name] = (np.asarray(found["data"]), normalized)
    for name, index in entry["attributes"].items():
        if name not in attributes:
            attributes[name] = (stored(document, index), bool(document.entry("accessors", index).get("normalized")))
    count = len(attributes["POSITION"][0])
    if len(order) and order.max() >= count:
        raise Unreadable("Some of its faces name vertices that it does not hold.")
    return Primitive(entry, attributes, order)
