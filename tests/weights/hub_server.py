# SPDX-License-Identifier: GPL-3.0-or-later
"""A local HTTP server that stands in for the hub: the catalogue's headers, ranges, and every way to fail."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ServedFile:
    """One file and how the server misbehaves with it.

    `cuts`: bytes after which the connection is closed, one for each download request in turn, then no more.
    `catalogue_size` and `catalogue_sha256` are what HEAD says when it is not the truth. `blob` makes it a small file,
    which the hub knows by its git blob. `block_seconds` slows each 16 KiB; `silent` makes the server stop half-way
    until `resume` is set. `head` and `get` answer in ways of their own.
    """

    content: bytes
    status: int = 200
    error_code: str = ""
    cuts: list[int] = field(default_factory=list)
    catalogue_size: int | None = None
    catalogue_sha256: str | None = None
    ranges: bool = True
    block_seconds: float = 0.0
    silent: bool = False
    blob: bool = False
    head: "Answer | None" = None
    get: "Answer | None" = None


Answer = Callable[["Handler", ServedFile, int], bool]
"""Answers a request for a file from a byte on in a way of its own; False leaves that to the server."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that leaves in the middle is what the tests of cancelling want: no traceback."""


class HubServer:
    """Use as a context manager; `files` maps "owner/name/file" to what is served, `requests` is what came in.

    `earlier` has the files of other revisions than the newest, which is `newest`.
    """

    def __init__(self) -> None:
        self.files: dict[str, ServedFile] = {}
        self.newest = COMMIT
        self.earlier: dict[str, dict[str, ServedFile]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.resume = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume.set()
        self._server.shutdown()
        self._server.server_close()

    def downloads(self, name: str) -> list[dict[str, str]]:
        """The headers of each download request of a file."""
        return [headers for method, path, headers in self.requests if method == "GET" and path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def do_HEAD(self) -> None:
        served = self._served()
        if served is None or (served.head and served.head(self, served, 0)):
            return
        size = len(served.content) if served.catalogue_size is None else served.catalogue_size
        self.send_response(200)
        self.send_header("X-Linked-Size", str(size))
        self.send_header("ETag" if served.blob else "X-Linked-Etag", f'"{_checksum(served)}"')
        asked = self.path.strip("/").split("/")[3]
        self.send_header("X-Repo-Commit", asked if asked in self.hub.earlier else self.hub.newest)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def do_GET(self) -> None:
        served = self._served()
        if served is None:
            return
        asked = self.headers.get("Range") if served.ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if served.get and served.get(self, served, start):
            return
        body = served.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        self.end_headers()
        try:
            self._send(served, body)
        except OSError:  # the client has left: that is what the tests of cancelling do
            self.close_connection = True

    def _send(self, served: ServedFile, body: bytes) -> None:
        limit = served.cuts.pop(0) if served.cuts else len(body)
        for at in range(0, min(limit, len(body)), 16384):
            self.wfile.write(body[at:min(at + 16384, limit)])
            if served.block_seconds:
                self.hub.resume.wait(served.block_seconds)
            if served.silent and at >= len(body) // 2:
                self.hub.resume.wait()
        self.close_connection = self.close_connection or limit < len(body)

    def _served(self) -> ServedFile | None:
        self.hub.requests.append((self.command, self.path, dict(self.headers)))
        owner, name, _, revision, *rest = self.path.strip("/").split("/")
        known = revision in ("main", self.hub.newest)
        files = self.hub.files if known else self.hub.earlier.get(revision, {})
        served = files.get("/".join([owner, name, *rest]))
        status, code = (served.status, served.error_code) if served else (404, "EntryNotFound")
        if not known and revision not in self.hub.earlier:
            status, code = 404, "RevisionNotFound"
        if status == 200:
            return served
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None


def _checksum(served: ServedFile) -> str:
    if served.catalogue_sha256:
        return served.catalogue_sha256
    if served.blob:
        return hashlib.sha1(b"blob %d\0" % len(served.content) + served.content).hexdigest()
    return hashlib.sha256(served.content).hexdigest()
