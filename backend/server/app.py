# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole application: native routes, the pipelines' own services, the page, metrics, and errors as data."""

import asyncio
import importlib
import logging
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from ..contract import BadInput, ErrorReport, MeshwrightError, Remedy
from ..contract.json_form import to_json
from ..pipelines import registry
from .api import EVERYWHERE, PUBLIC, errors, native_routes
from .engines import Engines
from .job_store import JobStore, Record
from .jobs import Jobs
from .metrics import Metrics
from .page_routes import page_routes
from .publishing import Publisher
from .refusal import Refusal
from .security import Gate
from .service_host import Host
from .settings import ServerSettings

if TYPE_CHECKING:
    from .object_store import ObjectStore

logger = logging.getLogger(__name__)

DESCRIPTION = """Meshwright's generative pipelines for 3D artists. Create a job, upload its inputs, submit it, follow
its events, fetch its files. Every error is an object that says what happened, why, and what to do."""
SECONDS_BETWEEN_CLEANING = 3600.0


def build_app(settings: ServerSettings, engines: Engines) -> ASGIApp:
    """The application, with the token's check before everything."""
    records, start_id = JobStore(settings.data / "jobs"), uuid.uuid4().hex[:6]
    publisher = Publisher(_object_store(settings), records)
    metrics = Metrics()

    def ended(record: Record) -> None:
        metrics.count(record)
        publisher.publish(record)

    jobs = Jobs(records, engines, settings.limits, settings.worker.models, settings.downloads, ended)
    metrics.watch(lambda: jobs.waiting)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await engines.start()
        await jobs.start()
        await publisher.start()
        cleaning = asyncio.create_task(_clean(jobs))
        yield
        cleaning.cancel()
        await publisher.close()
        await jobs.close()
        await engines.close()

    app = FastAPI(title="Meshwright", version=settings.version, description=DESCRIPTION, lifespan=lifespan,
                  docs_url=None, redoc_url=None, openapi_tags=[
                      {"name": "server", "description": "The server itself"},
                      {"name": "tasks", "description": "What can be asked for"},
                      {"name": "jobs", "description": "Asking for it"},
                      {"name": "results", "description": "What came of it"}])
    _answer_errors_as_data(app)
    host = Host(jobs, publisher, settings.worker.models, start_id)
    routers = [native_routes(jobs, publisher, settings, lambda: engines.device, start_id), *_services(host),
               metrics.routes(), page_routes()]
    for router in routers:
        app.include_router(router, responses=EVERYWHERE)
    _describe_token(app)
    return Gate(app, settings.token, settings.limits, _public_paths(routers))


def _object_store(settings: ServerSettings) -> "ObjectStore | None":
    if settings.store is None:
        return None
    from .object_store import ObjectStore  # boto3, which takes a second to import

    return ObjectStore(settings.store)


def _services(host: Host) -> list[APIRouter]:
    """The pipelines' own interfaces, with errors documented as everywhere."""
    found = []
    for name in registry.services():
        module: Any = importlib.import_module(f"{registry.__package__}.{name}.service")
        router = APIRouter(responses=errors(404, 503))
        router.include_router(module.routes(host))
        found.append(router)
    return found


def _public_paths(routers: Sequence[APIRouter]) -> frozenset[str]:
    """Paths of the routes that are documented to need no token."""
    return frozenset(route.path for router in routers for route in _routes(router)
                     if route.openapi_extra == PUBLIC)


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from _routes(inner)


def _describe_token(app: FastAPI) -> None:
    """Have the OpenAPI document say that the token is a bearer token, needed wherever nothing else is said."""
    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes,
                               tags=app.openapi_tags)
            made.setdefault("components", {})["securitySchemes"] = {"token": {
                "type": "http", "scheme": "bearer", "description": "The server's token"}}
            app.openapi_schema = {**made, "security": [{"token": []}]}
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _answer_errors_as_data(app: FastAPI) -> None:
    @app.exception_handler(MeshwrightError)
    async def known(_request: Request, error: MeshwrightError) -> JSONResponse:
        status = error.status if isinstance(error, Refusal) else 422 if isinstance(error, BadInput) else 507
        retry = error.retry_after if isinstance(error, Refusal) else None
        return _answer(status, error.report, {"Retry-After": str(retry)} if retry else {})

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _answer(422, ErrorReport("The request does not fit.", f"{where}: {first['msg']}.",
                                        "See /openapi.json for what is taken."))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, ErrorReport(
            f"The request is answered with {error.status_code}.", str(error.detail),
            "See /openapi.json for what is taken."), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s", request.method, request.url.path, exc_info=error)
        return _answer(500, ErrorReport("The server met an error.", "It is in the server's log.", "Try again.",
                                        Remedy.RETRY))


def _answer(status: int, report: ErrorReport, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({**to_json(report), "details": ""}, status, headers)


async def _clean(jobs: Jobs) -> None:
    while jobs.limits.keep_days:
        await asyncio.to_thread(jobs.store.delete_older_than, jobs.limits.keep_days * 86400)
        await asyncio.sleep(SECONDS_BETWEEN_CLEANING)
