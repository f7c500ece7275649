# SPDX-License-Identifier: GPL-3.0-or-later
"""Dataclasses to JSON values and back, with a clear message where a value does not fit.

Handles what the contract needs and no more: str, int, float, bool, None, enums, tuples, mappings with text keys,
unions with None, nested dataclasses, and `object` for free JSON values. Texts and numbers are bounded on both ways, so
that whatever one side writes the other can read.
"""

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from .error import BadInput

T = TypeVar("T")
_UPDATE = "The two sides may be of different versions: update both."
MAXIMUM_TEXT = 100_000
"""Characters in one text."""
LARGEST_INTEGER = 2**63
_MOST_DIGITS = 20


def parse(text: str | bytes) -> Any:
    """The value of one JSON text. Raises BadInput, whatever the text is: too deep, no UTF-8, NaN, endless digits."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "It is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise BadInput("This is not JSON.", f"{why}.", _UPDATE) from None


def sendable(text: str) -> str:
    """The text as the other side takes it: without what UTF-8 cannot hold and zero bytes, cut in the middle if long."""
    if len(text) > MAXIMUM_TEXT:
        half = MAXIMUM_TEXT // 2 - 10
        text = f"{text[:half]}\n[…]\n{text[-half:]}"
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def to_json(value: Any) -> Any:
    """JSON value of a dataclass, container or scalar. Numbers must be finite: NaN is not JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {sendable(str(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput("A number is not finite.", f"{value} cannot be written as JSON.", "Correct the value.")
    if isinstance(value, str):
        return sendable(value)
    if value is None or isinstance(value, (int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(cls: type[T], data: Any, where: str = "") -> T:
    """Instance of the dataclass `cls` from a JSON object.

    Raises BadInput naming the place (`request.parameters`) when a field is missing, unknown or of another type.
    """
    where = where or cls.__name__.lower()
    if not isinstance(data, Mapping):
        raise _misfit(where, "an object", data)
    hints = typing.get_type_hints(cls)
    known = {field.name for field in fields(typing.cast(Any, cls))}
    for name in data:
        if name not in known:
            raise BadInput(f"{where} has an unknown field.",
                           f"'{str(name)[:60]}' is not one of {', '.join(sorted(known))}.",
                           _UPDATE)
    values = {name: _value(hints[name], data[name], f"{where}.{name}") for name in known if name in data}
    try:
        return cls(**values)
    except TypeError as error:
        raise BadInput(f"{where} is incomplete.", f"{error}.", _UPDATE) from error


class Tagged:
    """JSON objects of several dataclasses, distinguished by a name under `key`."""

    def __init__(self, key: str, kinds: Mapping[str, type]) -> None:
        self._key, self._kinds = key, kinds
        self._names = {cls: name for name, cls in kinds.items()}

    def to_json(self, value: Any) -> dict[str, Any]:
        """The JSON object of an instance of one of the kinds."""
        return {self._key: self._names[type(value)], **to_json(value)}

    def from_json(self, data: Any) -> Any:
        """The instance. Raises BadInput on an unknown kind or an unfitting field."""
        kind = data.get(self._key) if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in self._kinds:
            raise BadInput(f"An unknown {self._key} came.", f"Its kind is {_shown(kind)}.", _UPDATE)
        return from_json(self._kinds[kind], {key: item for key, item in data.items() if key != self._key}, kind)


def _value(hint: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is object or hint is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(hint), data, where)
    if origin is typing.Literal:
        if data not in typing.get_args(hint):
            raise _misfit(where, f"one of {', '.join(map(str, typing.get_args(hint)))}", data)
        return data
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise _misfit(where, "a list", data)
        item = typing.get_args(hint)[0]
        return tuple(_value(item, value, f"{where}[{i}]") for i, value in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise _misfit(where, "an object", data)
        item = typing.get_args(hint)[1]
        return {_bounded(str, str(key), where): _value(item, value, f"{where}.{str(key)[:60]}")
                for key, value in data.items()}
    return _scalar(hint, data, where)


def _union(choices: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in choices:
        return None
    others = [choice for choice in choices if choice is not type(None)]
    for choice in others[:-1]:
        try:
            return _value(choice, data, where)
        except BadInput:
            continue
    return _value(others[-1], data, where)


def _scalar(hint: Any, data: Any, where: str) -> Any:
    if is_dataclass(hint):
        return from_json(typing.cast(type, hint), data, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(data)
        except ValueError:
            raise _misfit(where, f"one of {', '.join(str(item.value) for item in hint)}", data) from None
    if hint is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        return _bounded(float, data, where)
    if isinstance(hint, type) and isinstance(data, hint) and not (hint is int and isinstance(data, bool)):
        return _bounded(hint, data, where)
    raise _misfit(where, getattr(hint, "__name__", str(hint)), data)


def _bounded(hint: type, data: Any, where: str) -> Any:
    if hint is str and (len(data) > MAXIMUM_TEXT or sendable(data) != data):
        raise _misfit(where, f"a text of at most {MAXIMUM_TEXT} characters that UTF-8 can hold", data)
    if hint in (int, float) and isinstance(data, int) and abs(data) > LARGEST_INTEGER:
        raise _misfit(where, "a number of at most 64 bits", data)
    if hint is float and not math.isfinite(data):
        raise _misfit(where, "a finite number", data)
    return float(data) if hint is float else data


def _misfit(where: str, expected: str, data: Any) -> BadInput:
    return BadInput(f"{where} does not fit.", f"Expected {expected}, got {_shown(data)}.", _UPDATE)


def _shown(data: Any) -> str:
    """A short form for an error. The full one of nested or endless data could not even be made."""
    if isinstance(data, str):
        return repr(data[:60])
    if isinstance(data, int) and abs(data) > LARGEST_INTEGER:
        return "a larger one"
    if data is None or isinstance(data, (bool, int, float)):
        return repr(data)
    return "an object" if isinstance(data, Mapping) else "a list"


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is not finite")
    return number


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_finite)
