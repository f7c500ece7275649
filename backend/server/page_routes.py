# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in its place: files that hold no data, so they need no token."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from .api import PUBLIC

FOLDER = Path(__file__).parent / "page"
FILES = {"style.css": "text/css", "page.js": "text/javascript", "client.js": "text/javascript",
         "viewer.js": "text/javascript", "three.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob:; "
                               "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
}


def page_routes() -> APIRouter:
    """The page at the root, and what it consists of."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", lambda: FileResponse(FOLDER / "index.html", media_type="text/html", headers=HEADERS),
                         openapi_extra=PUBLIC)
    for name, media_type in FILES.items():
        _add_file(router, name, media_type)
    return router


def _add_file(router: APIRouter, name: str, media_type: str) -> None:
    router.add_api_route(f"/page/{name}", lambda: FileResponse(FOLDER / name, media_type=media_type, headers=HEADERS),
                         openapi_extra=PUBLIC)
