# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend mcp`: the tasks for an assistant, over stdio, or over HTTP behind the token."""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import uvicorn
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from ..pipelines import registry
from .agent_tools import agent_server
from .arguments import server_settings
from .command import VERSION, Announcing, engines_of
from .job_store import JobStore
from .jobs import Jobs
from .security import Gate
from .settings import ServerSettings

LARGEST_REQUEST = 64 * 2**20


def serve_agents(options: argparse.Namespace) -> int:
    """Serve until the client, or the process, ends."""
    settings = server_settings(options, VERSION, {})
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for report in registry.complaints():
        sys.stderr.write(f"{report}\n")
    asyncio.run(_over_http(settings) if options.http else _over_stdio(settings))
    return 0


@asynccontextmanager
async def _jobs(settings: ServerSettings) -> AsyncIterator[Jobs]:
    engines = engines_of(settings)
    jobs = Jobs(JobStore(settings.data / "jobs"), engines, settings.limits, settings.worker.models, settings.downloads)
    await engines.start()
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.close()
        await engines.close()


async def _over_stdio(settings: ServerSettings) -> None:
    async with _jobs(settings) as jobs, stdio_server() as (incoming, outgoing):
        server = agent_server(jobs, settings.worker.models, local=True, version=settings.version)
        await server.run(incoming, outgoing, server.create_initialization_options())


async def _over_http(settings: ServerSettings) -> None:
    async with _jobs(settings) as jobs:
        server = agent_server(jobs, settings.worker.models, local=False, version=settings.version)
        # The gate checks hosts and origins, for every address that is served.
        app = server.streamable_http_app(max_request_body_size=LARGEST_REQUEST, transport_security=
                                         TransportSecuritySettings(enable_dns_rebinding_protection=False))
        config = uvicorn.Config(Gate(app, settings.token, replace(settings.limits, upload_bytes=LARGEST_REQUEST), ()),
                                host=settings.host, port=settings.port, log_config=None, access_log=False,
                                ssl_certfile=settings.certificate, ssl_keyfile=settings.key,
                                timeout_graceful_shutdown=2)
        await Announcing(config, settings).serve()
