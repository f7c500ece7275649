# SPDX-License-Identifier: GPL-3.0-or-later
"""Accessors of a glTF file as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..unreadable import Unreadable
from .document import Document, Entry

COMPONENTS: dict[int, np.dtype[Any]] = {5120: np.dtype("<i1"), 5121: np.dtype("<u1"), 5122: np.dtype("<i2"),
                                        5123: np.dtype("<u2"), 5125: np.dtype("<u4"), 5126: np.dtype("<f4")}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
MOST_ZEROS = 1 << 28
"""Bytes of an accessor without any data, which stands for zeros: a file of a few lines could ask for all memory."""


def stored(document: Document, index: int) -> NDArray:
    """The values as they are stored, [count, width], with the sparse ones in place."""
    accessor = document.entry("accessors", index)
    dtype, width, count = _form(accessor)
    if "bufferView" in accessor:
        values = _of_view(document, accessor, dtype, width, count)
    elif dtype.itemsize * width * count > MOST_ZEROS:
        raise Unreadable(f"Its accessor {index} has {count:,} elements and no data.")
    else:
        values = np.zeros((count, width), dtype)
    return _with_sparse(document, accessor, values) if "sparse" in accessor else values


def floats(document: Document, index: int) -> NDArray[np.float64]:
    """The values as float64 [count, width]; normalized integers as what they stand for, in [0, 1] or [-1, 1]."""
    return as_floats(stored(document, index), bool(document.entry("accessors", index).get("normalized")))


def as_floats(values: NDArray, normalized: bool) -> NDArray[np.float64]:
    """Of stored values."""
    plain = values.astype(np.float64)
    if not normalized or values.dtype.kind == "f":
        return plain
    scaled = plain / np.iinfo(values.dtype).max
    return np.maximum(scaled, -1.0) if values.dtype.kind == "i" else scaled


def _form(accessor: Entry) -> tuple[np.dtype, int, int]:
    dtype, width = COMPONENTS.get(accessor.get("componentType", 0)), WIDTHS.get(accessor.get("type", ""))
    if dtype is None or width is None:
        raise Unreadable(f"An accessor is of an unknown form ({accessor.get('componentType')}, "
                         f"{accessor.get('type')}).")
    count = accessor.get("count", 0)
    if not isinstance(count, int) or count < 0:
        raise Unreadable(f"An accessor has {count} elements.")
    return dtype, width, count


def _of_view(document: Document, accessor: Entry, dtype: np.dtype, width: int, count: int) -> NDArray:
    data, stride = document.view(accessor["bufferView"])
    return _strided(data, int(accessor.get("byteOffset", 0)), stride, dtype, width, count)


def _strided(data: bytes, offset: int, stride: int, dtype: np.dtype, width: int, count: int) -> NDArray:
    item = dtype.itemsize * width
    step = stride or item
    if count and offset + step * (count - 1) + item > len(data):
        raise Unreadable("It is cut off: an accessor reaches beyond its buffer.")
    return np.ndarray((count, width), dtype, data, offset, (step, dtype.itemsize)).copy() if count else np.zeros(
        (0, width), dtype)


def _with_sparse(document: Document, accessor: Entry, values: NDArray) -> NDArray:
    sparse = accessor["sparse"]
    count, dtype = int(sparse["count"]), COMPONENTS.get(sparse["indices"]["componentType"])
    if dtype is None:
        raise Unreadable("A sparse accessor is of an unknown form.")
    places, _ = document.view(sparse["indices"]["bufferView"])
    data, _ = document.view(sparse["values"]["bufferView"])
    where = _strided(places, int(sparse["indices"].get("byteOffset", 0)), 0, dtype, 1, count)[:, 0].astype(np.int64)
    if count and where.max() >= len(values):
        raise Unreadable("A sparse accessor replaces elements that it does not have.")
    values[where] = _strided(data, int(sparse["values"].get("byteOffset", 0)), 0, values.dtype, values.shape[1], count)
    return values
