# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that are almost messages: cut, nested, endless, of the wrong types, or no text at all."""

import json
import random
from collections.abc import Iterator
from typing import Any

EVENTS: tuple[dict[str, Any], ...] = (
    {"event": "queued", "job": "a", "ahead": 1}, {"event": "loading", "job": "a", "what": "weights"},
    {"event": "downloading", "job": "a", "file": "f", "bytes": 1, "of": 2},
    {"event": "stage", "job": "a", "stage": "sample", "step": 1, "of": 2, "fraction": 0.5, "seconds_left": None},
    {"event": "preview", "job": "a", "file": "p.npz"}, {"event": "log", "job": "a", "text": "t", "level": "info"},
    {"event": "failed", "job": "a", "error": {"what": "w", "why": "y", "advice": "d"}},
    {"event": "done", "job": "a", "result": {"artifacts": []}}, {"event": "cancelled", "job": "a"},
)
MESSAGES: tuple[dict[str, Any], ...] = (
    {"message": "submit", "job": "a", "folder": "/nowhere"}, {"message": "cancel", "job": "a"},
    {"message": "free_memory"}, {"message": "ping", "number": 3}, {"message": "ready", "device": "d", "process": 1},
)
VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 10**400, -0.0, 1e308, float("nan"), float("inf"), "", "x" * 3000, "\0", "\ud800",
    "../../etc", "a/b", [], {}, [[[[]]]], {"a": {"b": {}}}, "\u202e\u0000", ["a"] * 50, "\N{PILE OF POO}" * 40,
)


def malformed_lines(kinds: tuple[dict[str, Any], ...], count: int, seed: int) -> Iterator[bytes]:
    """Each without a line end inside, and none longer than some kilobytes but for a few."""
    draw = random.Random(seed)
    for number in range(count):
        data = dict(draw.choice(kinds))
        line = _DAMAGES[number % len(_DAMAGES)](data, draw)
        yield line.replace(b"\n", b" ").replace(b"\r", b" ")


def _value(data: dict[str, Any], draw: random.Random) -> bytes:
    data[draw.choice(list(data))] = draw.choice(VALUES)
    return json.dumps(data).encode()


def _field(data: dict[str, Any], draw: random.Random) -> bytes:
    if draw.random() < 0.5:
        data.pop(draw.choice(list(data)))
    else:
        data[draw.choice(("x", "", "job ", "event", "y" * 500))] = draw.choice(VALUES)
    return json.dumps(data).encode()


def _cut(data: dict[str, Any], draw: random.Random) -> bytes:
    line = json.dumps(data).encode()
    return line[:draw.randrange(1, len(line))]


def _flipped(data: dict[str, Any], draw: random.Random) -> bytes:
    line = bytearray(json.dumps(data).encode())
    for _ in range(draw.randrange(1, 6)):
        line[draw.randrange(len(line))] = draw.randrange(256)
    return bytes(line)


def _nested(data: dict[str, Any], draw: random.Random) -> bytes:
    depth = draw.choice((50, 990, 1010, 5000))
    opened = draw.choice((b"[", b'{"a":', b'{"event":[', b'{"message":{"job":'))
    return opened * depth + draw.choice((b"", b"]" * depth))


def _noise(data: dict[str, Any], draw: random.Random) -> bytes:
    return draw.randbytes(draw.randrange(1, 400))


def _digits(data: dict[str, Any], draw: random.Random) -> bytes:
    digits = draw.choice(("9" * 30, "1" + "0" * 400, "1" * 5000, "1e999", "-1e999", "NaN", "-Infinity", "0x10"))
    key = draw.choice(list(data))
    return json.dumps({**data, key: "@"}).replace('"@"', digits).encode()


_DAMAGES = (_value, _field, _cut, _flipped, _nested, _noise, _digits)
