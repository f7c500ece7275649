# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which a hub, or what stands between it and the artist, misbehaves."""

import gzip
import hashlib
import itertools
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.weights.hub_server import COMMIT, Answer, Handler, ServedFile

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEPT = 100_000
"""Bytes of the partial file of an earlier session, where a fault has one."""
PAGE = b"<html><body>Please sign in to use this network.</body></html>"


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. `words` are in the error that it must end with; "" when the download must succeed.

    `part` is what an earlier session left; `requests` how many download requests may be made at most.
    """

    name: str
    words: str
    head: Answer | None = None
    get: Answer | None = None
    part: bytes = b""
    requests: int = 7


def answer(status: int, headers: dict[str, str], body: bytes = b"", length: bool = True) -> Answer:
    """Always this answer. Without a length the connection's end ends it."""
    def send(handler: Handler, _served: ServedFile, _start: int) -> bool:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
        handler.close_connection = not length
        return True
    return send


def streamed(headers: dict[str, str], pieces: Callable[[], Iterator[bytes]], status: int = 200) -> Answer:
    """An answer of unknown length, until the client leaves."""
    def send(handler: Handler, _served: ServedFile, _start: int) -> bool:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        try:
            for piece in pieces():
                handler.wfile.write(piece)
                handler.wfile.flush()
        except OSError:
            pass
        return True
    return send


def part_of(label: str, headers: dict[str, str] | None = None) -> Answer:
    """The right bytes with status 206 and this Content-Range ("" for none)."""
    def send(handler: Handler, served: ServedFile, start: int) -> bool:
        given = {"Content-Range": label} if label else {}
        return answer(206, {**given, **(headers or {})}, served.content[start:])(handler, served, start)
    return send


def raw(content: bytes) -> Answer:
    """These bytes in place of an answer, then the end of the connection."""
    def send(handler: Handler, _served: ServedFile, _start: int) -> bool:
        handler.wfile.write(content)
        handler.close_connection = True
        return True
    return send


def first(count: int, misbehaving: Answer) -> Answer:
    """Misbehaves so many times, then no more."""
    numbers = itertools.count()

    def send(handler: Handler, served: ServedFile, start: int) -> bool:
        return next(numbers) < count and misbehaving(handler, served, start)
    return send


def with_range(misbehaving: Answer) -> Answer:
    """Misbehaves only where a part of the file is asked for."""
    def send(handler: Handler, served: ServedFile, start: int) -> bool:
        return start > 0 and misbehaving(handler, served, start)
    return send


def _announced(**headers: str | None) -> Answer:
    """The catalogue's answer with other headers; None leaves one out."""
    usual: dict[str, str | None] = {"X-Linked-Size": str(len(CONTENT)), "X-Linked-Etag": f'"{SHA256}"',
                                    "X-Repo-Commit": COMMIT}
    usual |= {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(200, {name: value for name, value in usual.items() if value is not None})


def _redirected(handler: Handler, _served: ServedFile, _start: int) -> bool:
    return answer(302, {"Location": handler.path})(handler, _served, _start)


def _cut_after(count: int) -> Answer:
    """An answer that promises the rest of the file and ends after so many bytes."""
    def send(handler: Handler, served: ServedFile, start: int) -> bool:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(len(CONTENT) - start))
        handler.end_headers()
        handler.wfile.write(served.content[start:start + count])
        handler.close_connection = True
        return True
    return send


def _silent(handler: Handler, _served: ServedFile, _start: int) -> bool:
    handler.hub.resume.wait(2.0)
    handler.close_connection = True
    return True


def _drip() -> Iterator[bytes]:
    for _ in range(40):
        time.sleep(0.05)
        yield b"x"


def _bomb() -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(64):
        yield packer.compress(b"\0" * (16 << 20))
    yield packer.flush()


def _endless() -> Iterator[bytes]:
    return itertools.repeat(b"x" * 65536)


def _endless_chunks() -> Iterator[bytes]:
    return itertools.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n")


_WHOLE = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
_GZIP = {"Content-Encoding": "gzip"}
_CHUNKED = {"Transfer-Encoding": "chunked"}
_BINARY = {"Content-Type": "application/octet-stream"}
_NO_HUB, _BUSY, _WRONG, _AWAY = "not a model hub", "not available", "did not arrive as", "cannot be reached"
_BEGUN = CONTENT[:KEPT]

FAULTS = (
    # The catalogue
    Fault("no checksum", _NO_HUB, _announced(X_Linked_Etag=None), requests=0),
    Fault("checksum of another kind", _NO_HUB, _announced(X_Linked_Etag='"abc-17"'), requests=0),
    Fault("checksum that is a path", _NO_HUB, _announced(X_Linked_Etag='"../../../../evil"'), requests=0),
    Fault("no revision", _NO_HUB, _announced(X_Repo_Commit=None), requests=0),
    Fault("revision that is a path", _NO_HUB, _announced(X_Repo_Commit="../../other"), requests=0),
    Fault("negative size", _NO_HUB, _announced(X_Linked_Size="-5"), requests=0),
    Fault("size in words", _NO_HUB, _announced(X_Linked_Size="many"), requests=0),
    Fault("size beyond every disk", "not enough room", _announced(X_Linked_Size="1" + "0" * 30), requests=0),
    Fault("catalogue broken", _BUSY, answer(500, {}), requests=0),
    Fault("catalogue broken twice", "", first(2, answer(502, {}))),
    Fault("catalogue busy", "", first(2, answer(429, {"Retry-After": "0"}))),
    Fault("catalogue closed", "access token", answer(401, {}), requests=0),
    Fault("catalogue in a circle", _AWAY, _redirected, requests=0),
    Fault("catalogue hangs up", _AWAY, raw(b""), requests=0),
    Fault("catalogue is a web page", _NO_HUB, answer(200, {"Content-Type": "text/html"}, PAGE), requests=0),
    # Refusals
    Fault("always busy", _BUSY, get=answer(429, {"Retry-After": "0"})),
    Fault("busy for an hour", "in 60 minutes", get=answer(429, {"Retry-After": "3600"}), requests=1),
    Fault("busy until yesterday", "", get=first(2, answer(503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}))),
    Fault("busy until nonsense", "", get=first(2, answer(503, {"Retry-After": "soon, perhaps"}))),
    Fault("error without an end", _BUSY, get=streamed({}, _endless, 500)),
    Fault("error that unpacks to a gigabyte", _BUSY, get=streamed(_GZIP, _bomb, 500)),
    Fault("error of nested brackets", _BUSY, get=answer(500, {"Content-Type": "application/json"}, b"[" * 200_000)),
    Fault("forbidden", "access token", get=answer(403, {}), requests=1),
    Fault("removed meanwhile", "not on the hub", get=answer(404, {"X-Error-Code": "EntryNotFound"}), requests=1),
    Fault("legal reasons", _BUSY, get=answer(451, {}), requests=1),
    # Something else in the file's place
    Fault("firewall's page", _WRONG, get=answer(200, {"Content-Type": "text/html"}, PAGE)),
    Fault("firewall's page without a length", _WRONG, get=answer(200, {"Content-Type": "text/html"}, PAGE, False)),
    Fault("page that calls itself a file", _WRONG, get=answer(200, _BINARY, PAGE, False)),
    Fault("page in the middle of a file", _WRONG, get=answer(200, _BINARY, PAGE, False), part=_BEGUN),
    Fault("page, then the file", "", get=first(2, answer(200, {"Content-Type": "text/html"}, PAGE)), part=_BEGUN),
    Fault("nothing", _WRONG, get=answer(204, {})),
    Fault("not modified", _WRONG, get=answer(304, {})),
    Fault("in a circle", _AWAY, get=_redirected, requests=30),
    Fault("other bytes of the right length", _WRONG, get=answer(200, {}, CONTENT[::-1]), requests=1),
    Fault("too short", _WRONG, get=answer(200, {}, CONTENT[:-1])),
    Fault("too long", _WRONG, get=answer(200, {}, CONTENT + b"x")),
    Fault("without an end", _WRONG, get=streamed(_BINARY, _endless)),
    Fault("chunks without an end", _WRONG, get=streamed(_CHUNKED, _endless_chunks)),
    # Ranges
    Fault("part without a label", _WRONG, get=part_of("")),
    Fault("part of another place", _WRONG, get=part_of(f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")),
    Fault("part of a larger file", _WRONG, get=part_of(f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT) + 9}")),
    Fault("part that is no range", _WRONG, get=part_of("pages 1-2")),
    Fault("several parts", "", get=with_range(part_of("", {"Content-Type": "multipart/byteranges"})), part=_BEGUN),
    Fault("range ignored but labelled", "", get=with_range(part_of(_WHOLE)), part=_BEGUN),
    Fault("range refused", "", get=with_range(answer(416, {"Content-Range": "bytes */0"})), part=_BEGUN),
    Fault("always out of range", _WRONG, get=answer(416, {})),
    # What an earlier session left
    Fault("garbage at the beginning", "", part=b"\0" * KEPT, requests=2),
    Fault("garbage of the right size", "", part=b"\0" * len(CONTENT), requests=1),
    Fault("more than the file", "", part=CONTENT + b"more", requests=1),
    # Compression
    Fault("compressed though not asked", "", get=answer(200, _GZIP, gzip.compress(CONTENT)), requests=1),
    Fault("unpacks to a gigabyte", _WRONG, get=streamed(_GZIP, _bomb)),
    Fault("damaged compression", _WRONG, get=answer(200, _GZIP, b"\x1f\x8b nothing of the kind")),
    Fault("unknown compression", "compresses", get=answer(200, {"Content-Encoding": "br"}, CONTENT)),
    # The line
    Fault("one byte a request", _AWAY, get=_cut_after(1)),
    Fault("cut again and again", "", get=_cut_after(70_000)),
    Fault("drips", _WRONG, get=streamed(_BINARY, _drip)),
    Fault("silent", _AWAY, get=_silent),
    Fault("hangs up", _AWAY, get=raw(b"")),
    Fault("no HTTP", _AWAY, get=raw(b"SSH-2.0-OpenSSH_9.6\r\n")),
    Fault("two lengths", _AWAY, get=raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")),
    Fault("broken chunks", _AWAY, get=raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello")),
    Fault("headers without an end", _AWAY, get=raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000)),
)
