# SPDX-License-Identifier: GPL-3.0-or-later
"""A server as the relay sees it: a few requests over HTTP, each of which may be repeated without harm."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..contract import BadInput, ErrorReport, MeshwrightError, Remedy, replace_whole
from ..contract.json_form import from_json

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""The server says something at least every 15 seconds while events are awaited."""
CHUNK = 1 << 20


class Unreachable(Exception):
    """No answer, or one that was cut off: worth another try. The text says why."""


class ServerError(MeshwrightError):
    """The server's answer is an error, in its own words."""

    def __init__(self, status: int, report: ErrorReport, retry_after: float) -> None:
        super().__init__(report.what, report.why, report.advice, report.remedy, needs=report.needs)
        self.status, self.retry_after = status, retry_after


class ServerClient:
    """One server; a connection for each request, so any thread may ask."""

    def __init__(self, url: str, token: str, certificate: Path | None) -> None:
        """Raises BadInput for an address or a certificate that cannot be used."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput("The server's address cannot be used.", f"'{url}' is none.",
                           "Write it as https://gpu.studio.example:8000.")
        self.host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=str(certificate) if certificate else None)
            except (OSError, ssl.SSLError) as error:
                raise BadInput("The certificate cannot be used.", f"{certificate}: {error}.",
                               "Choose the PEM file of the authority that signed the server's certificate.") from error

    def get(self, path: str) -> Any:
        """A JSON answer. Raises Unreachable, ServerError."""
        return self._json("GET", path)

    def put(self, path: str, data: Any) -> Any:
        """Send JSON. Raises Unreachable, ServerError."""
        return self._json("PUT", path, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def post(self, path: str) -> Any:
        """Raises Unreachable, ServerError."""
        return self._json("POST", path)

    def upload(self, path: str, file: Path, check: Callable[[], None]) -> None:
        """Send a file's bytes; `check` is called between pieces and may raise. Raises Unreachable, ServerError."""
        def pieces() -> Iterator[bytes]:
            with file.open("rb") as source:
                while piece := source.read(CHUNK):
                    check()
                    yield piece

        size = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        self._json("PUT", path, pieces(), size)

    def download(self, path: str, target: Path, check: Callable[[], None]) -> None:
        """Fetch a file, which appears whole or not at all, going on behind what an interrupted try got.

        Raises Unreachable, ServerError, OSError.
        """
        partial = target.with_name(f".{target.name}.part")
        offset = partial.stat().st_size if partial.is_file() else 0
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._answer("GET", path, None, headers, accepted=(200, 206, 416)) as answer:
            if answer.status != 206:
                offset = 0
            if answer.status == 416:
                partial.unlink()
                raise Unreachable("the file has changed meanwhile")
            expected = offset + int(answer.headers["Content-Length"])
            with partial.open("ab" if offset else "wb") as file:
                while piece := _guarded(lambda: answer.read(CHUNK)):
                    check()
                    file.write(piece)
        if partial.stat().st_size != expected:
            raise Unreachable("the file was cut off")
        with replace_whole(target) as draft:
            partial.replace(draft)

    def events(self, job: str, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """A job's events behind number `last`, as (number, JSON object). Raises Unreachable, ServerError."""
        with self._answer("GET", f"/v1/jobs/{job}/events", None, {"Last-Event-ID": str(last)}) as answer:
            number = last
            while line := _guarded(answer.readline):
                name, _, value = line.decode("utf-8").strip().partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    yield number, json.loads(value)

    def _json(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        with self._answer(method, path, body, headers or {}) as answer:
            content = _guarded(answer.read)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise BadInput(f"{self.host} is no Meshwright server.", "Its answer cannot be read.",
                           "Check the address.") from error

    def _answer(self, method: str, path: str, body: Any, headers: dict[str, str],
                accepted: tuple[int, ...] = (200, 202, 204, 206)) -> "_Answer":
        def ask() -> _Answer:
            connection = self._connection()
            try:
                connection.request(method, self._prefix + quote(path), body, {**self._headers, **headers})
                return _Answer(connection, connection.getresponse())
            except BaseException:
                connection.close()
                raise

        answer = _guarded(ask)
        if answer.status not in accepted:
            with answer:
                raise _error_of(answer, self.host)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self._port, timeout=CONNECT_SECONDS, context=self._tls)
        else:
            connection = http.client.HTTPConnection(self.host, self._port, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(SILENT_SECONDS)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class _Answer:
    """An answer, and the connection that it comes over, as a context."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response
        self.status, self.headers = response.status, response.headers
        self.read: Callable[..., bytes] = response.read
        self.readline: Callable[[], bytes] = response.readline

    def __enter__(self) -> "_Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _guarded(ask: Callable[[], Any]) -> Any:
    """The result; what the network does wrong becomes Unreachable, a wrong certificate BadInput."""
    try:
        return ask()
    except ssl.SSLCertVerificationError as error:
        raise BadInput("The server's certificate is not trusted.", f"{error.verify_message}.",
                       "Choose the certificate of the authority that signed it in the preferences.",
                       Remedy.OPEN_PREFERENCES) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(str(error) or type(error).__name__) from error


def _error_of(answer: _Answer, host: str) -> Exception:
    """The server's words as an error. A proxy's words about a server that is away are worth another try."""
    content = _guarded(answer.read)
    if answer.status in (502, 503, 504):
        return Unreachable(f"status {answer.status}")
    try:
        report = from_json(ErrorReport, json.loads(content), "error")
    except ValueError:  # BadInput is a ValueError
        return BadInput(f"{host} is no Meshwright server.", f"It answers with status {answer.status}.",
                        "Check the address.")
    remedy = Remedy.OPEN_PREFERENCES if answer.status == 401 else report.remedy
    report = ErrorReport(report.what, report.why, report.advice, remedy, needs=report.needs)
    return ServerError(answer.status, report, float(answer.headers.get("Retry-After", 0)))


def pause_after(failures: int) -> float:
    """Seconds before another try: from a quarter of a second to five seconds."""
    return min(0.25 * 2 ** failures, 5.0)


def wait(seconds: float, check: Callable[[], None]) -> None:
    """Sleep, with a look at `check`, which may raise, every tenth of a second."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.1))
