# SPDX-License-Identifier: GPL-3.0-or-later
"""The header and the values of a PLY file, text or binary, whatever its elements are."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .unreadable import Unreadable

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_LARGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class Property:
    """One property of an element: numpy's type of its values, and for a list that of its length."""

    name: str
    kind: str
    length: str = ""


@dataclass(frozen=True)
class Element:
    """An element of the header."""

    name: str
    count: int
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Values:
    """The values of a property for all rows, one after the other, and how many each row has."""

    values: NDArray
    sizes: NDArray[np.int64]


def read_elements(content: bytes) -> tuple[dict[str, dict[str, Values]], dict[str, int]]:
    """(the values by element and property, the number of rows by element). Raises Unreadable."""
    form, elements, start = _header(content)
    try:
        if form == "ascii":
            found = _of_text(content[start:], elements)
        else:
            found = _of_binary(content, start, elements, _BYTE_ORDERS[form])
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(f"It is damaged or cut off: {error}.") from error
    return found, {element.name: element.count for element in elements}


def _header(content: bytes) -> tuple[str, list[Element], int]:
    """(form, elements, where the data begins)."""
    end = re.search(rb"^[ \t]*end_header[ \t]*(\r\n|\n|\r)", content[:_LARGEST_HEADER], re.MULTILINE)
    if end is None:  # Macintosh line ends are not MULTILINE's
        end = re.search(rb"(?:\r|\n)end_header[ \t]*(\r\n|\n|\r|$)", content[:_LARGEST_HEADER])
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"ply") or end is None:
        raise Unreadable("It is no PLY file, or is cut off: there is no whole PLY header.")
    form, elements = "", []
    rows: list[tuple[str, int, list[Property]]] = []
    for line in content[: end.start()].decode("latin-1").splitlines():
        words = line.split()
        try:
            if words[:1] == ["format"]:
                form = words[1]
            elif words[:1] == ["element"]:
                rows.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                rows[-1][2].append(Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[:1] == ["property"]:
                rows[-1][2].append(Property(words[2], _TYPES[words[1]]))
        except (IndexError, KeyError, ValueError) as error:
            raise Unreadable(f"Its PLY header has a line that is not understood: '{line.strip()}'.") from error
    if form != "ascii" and form not in _BYTE_ORDERS:
        raise Unreadable(f"It is a PLY file of the unknown form '{form}'.")
    elements = [Element(name, count, tuple(properties)) for name, count, properties in rows]
    return form, elements, end.end()


def _of_text(body: bytes, elements: list[Element]) -> dict[str, dict[str, Values]]:
    """By element and property."""
    numbers = np.array(_words(body, elements), np.float64)
    found, at = {}, 0
    for element in elements:
        width = len(element.properties)
        if not any(item.length for item in element.properties):
            table = _taken(numbers, at, element.count * width, element).reshape(element.count, width)
            ones = np.ones(element.count, np.int64)
            found[element.name] = {item.name: Values(_typed(column, item), ones)
                                   for item, column in zip(element.properties, table.T, strict=True)}
            at += table.size
        else:
            found[element.name], at = _text_lists(numbers, at, element)
    return found


def _words(body: bytes, elements: list[Element]) -> list[bytes]:
    """The values' words. Usually a row is a line, of which what the header does not name is left out."""
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < sum(element.count for element in elements):
        return body.split()
    words, at = [], 0
    for element in elements:
        for line in lines[at : at + element.count]:
            row = line.split()
            words += row[: _width(row, element)]
        at += element.count
    return words


def _width(row: list[bytes], element: Element) -> int:
    """How many words of the row the header names."""
    at = 0
    for item in element.properties:
        at += 1 + int(float(row[at])) if item.length and at < len(row) else 1
    return at


def _taken(values: NDArray, start: int, count: int, element: Element) -> NDArray:
    if start + count > len(values):
        raise Unreadable(f"It is cut off: not all of its {element.count:,} rows of '{element.name}' are there.")
    return values[start : start + count]


def _text_lists(numbers: NDArray[np.float64], at: int, element: Element) -> tuple[dict[str, Values], int]:
    sizes: dict[str, list[int]] = {item.name: [] for item in element.properties}
    starts: dict[str, list[int]] = {item.name: [] for item in element.properties}
    for _ in range(element.count):
        for item in element.properties:
            size = 1
            if item.length:
                size = int(_taken(numbers, at, 1, element)[0])
                at += 1
            sizes[item.name].append(size)
            starts[item.name].append(at)
            at += size
        if at > len(numbers) or size < 0:
            raise Unreadable(f"It is cut off: not all of its {element.count:,} rows of '{element.name}' are there.")
    found = {}
    for item in element.properties:
        counts = np.array(sizes[item.name], np.int64)
        places = _spread(np.array(starts[item.name], np.int64), counts)
        found[item.name] = Values(_typed(numbers[places], item), counts)
    return found, at


def _typed(numbers: NDArray[np.float64], item: Property) -> NDArray:
    """Integers as such. Text may have more digits than a float has; they stay."""
    return numbers.astype(item.kind) if item.kind[0] in "ui" else numbers


def _of_binary(content: bytes, at: int, elements: list[Element], order: str) -> dict[str, dict[str, Values]]:
    """By element and property."""
    found = {}
    for element in elements:
        if any(item.length for item in element.properties):
            found[element.name], at = _binary_lists(content, at, element, order)
            continue
        row = np.dtype([(f"{number}", order + item.kind) for number, item in enumerate(element.properties)])
        if at + row.itemsize * element.count > len(content):
            raise Unreadable(f"It is cut off: not all of its {element.count:,} rows of '{element.name}' are there.")
        rows = np.frombuffer(content, row, element.count, at) if element.count else np.zeros(0, row)
        found[element.name] = {item.name: Values(rows[f"{number}"], np.ones(element.count, np.int64))
                               for number, item in enumerate(element.properties)}
        at += row.itemsize * element.count
    return found


def _binary_lists(content: bytes, at: int, element: Element, order: str) -> tuple[dict[str, Values], int]:
    sizes: dict[str, list[int]] = {item.name: [] for item in element.properties}
    starts: dict[str, list[int]] = {item.name: [] for item in element.properties}
    forms = [(item.name, np.dtype(order + item.kind).itemsize, np.dtype(order + item.length) if item.length else None)
             for item in element.properties]
    for _ in range(element.count):
        for name, width, length in forms:
            size = 1
            if length is not None:
                if at + length.itemsize > len(content):
                    raise Unreadable(f"It is cut off: not all of its {element.count:,} rows of '{element.name}' are "
                                     "there.")
                size = int(np.frombuffer(content, length, 1, at)[0]) if length.itemsize > 1 else content[at]
                at += length.itemsize
            sizes[name].append(size)
            starts[name].append(at)
            at += size * width
    if at > len(content):
        raise Unreadable(f"It is cut off: not all of its {element.count:,} rows of '{element.name}' are there.")
    data = np.frombuffer(content, np.uint8)
    found = {}
    for item in element.properties:
        kind, counts = np.dtype(order + item.kind), np.array(sizes[item.name], np.int64)
        places = _spread(np.array(starts[item.name], np.int64), counts * kind.itemsize)
        found[item.name] = Values(data[places].view(kind), counts)
    return found, at


def _spread(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of all values of rows that begin at `starts`."""
    if not len(starts):
        return np.zeros(0, np.int64)
    places: NDArray[np.int64] = np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
    return places + np.arange(len(places))
