# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask, how often with a wrong token, from which pages, and how much at once. Plain ASGI, before any route."""

import hmac
import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..contract import ErrorReport
from ..contract.json_form import to_json
from .settings import Limits, is_loopback

logger = logging.getLogger(__name__)

BASE64_GROWTH = 1.4
ADDRESSES_KEPT = 10_000


class Gate:
    """Lets requests through to `app` that show the token; public paths need none.

    Requests of other sites' pages are refused, since a browser would send them without asking. Without a token only
    names of this machine are answered, so that no site can reach the server under a name of its own.
    """

    def __init__(self, app: ASGIApp, token: str, limits: Limits, public: Collection[str]) -> None:
        self._app, self._token, self._limits, self._public = app, token.encode(), limits, public
        self._wrong: dict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        report, status, retry = self._complaint(scope, headers)
        if report is None:
            limited = _Limited(receive, send, int(self._limits.upload_bytes * BASE64_GROWTH))
            await limited.run(self._app, scope, headers)
            return
        await _answer(send, status, report, retry)

    def _complaint(self, scope: Scope, headers: Headers) -> tuple[ErrorReport | None, int, int]:
        """Why the request is refused, with status and seconds to wait; None lets it through."""
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or "" if "[" not in host or "]" in host else ""
        if not self._token and not is_loopback(name):
            return ErrorReport(f"This server is not called {host[:100]}.", "It has no token, and so serves only this "
                               "machine.", "Use 127.0.0.1, or give the server a token."), 403, 0
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2] != host:
            return ErrorReport("Pages of other sites cannot use this server.", f"The request is from {origin[:100]}.",
                               "Use the server's own page."), 403, 0
        if not self._token or scope["path"] in self._public:
            return None, 200, 0
        return self._token_complaint(scope["client"][0] if scope.get("client") else "", headers)

    def _token_complaint(self, address: str, headers: Headers) -> tuple[ErrorReport | None, int, int]:
        now, wrong = time.monotonic(), self._wrong[address]
        while wrong and now - wrong[0] > self._limits.wrong_token_window:
            wrong.popleft()
        if len(wrong) >= self._limits.wrong_tokens:
            return ErrorReport("Too many wrong tokens.", f"{len(wrong)} came from {address}.", "Wait, then use the "
                               "right one."), 429, max(1, int(self._limits.wrong_token_window - (now - wrong[0])) + 1)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            del self._wrong[address]
            return None, 200, 0
        if given:
            wrong.append(now)
            logger.warning("A wrong token from %s", address)
        else:
            self._forget_some()
        return ErrorReport("The token is missing or wrong.", "This server answers only those who have its token.",
                           "Send it as 'Authorization: Bearer …'. Whoever started the server has it."), 401, 0

    def _forget_some(self) -> None:
        """Addresses without wrong tokens take no memory."""
        if len(self._wrong) > ADDRESSES_KEPT:
            self._wrong = defaultdict(deque, {address: wrong for address, wrong in self._wrong.items() if wrong})


class _Limited:
    """A request whose body is refused with 413 from a number of bytes on."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._received = 0

    async def run(self, app: ASGIApp, scope: Scope, headers: Headers) -> None:
        """Pass the request on, unless it announces too much."""
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._most:
            report = ErrorReport("The request is too large.", self._why, "Send less, for example fewer faces.")
            await _answer(self._send, 413, report, 0)
            return
        await app(scope, self._counted, self._send)

    @property
    def _why(self) -> str:
        return f"At most {self._most} bytes are taken."

    async def _counted(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise HTTPException(413, self._why)
        return message


async def _answer(send: Send, status: int, report: ErrorReport, retry_after: int) -> None:
    body = json.dumps(to_json(report)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
