# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend serve`."""

import argparse
import json
import logging
import sys
from typing import Any

import uvicorn
from dotenv import dotenv_values

from .app import build_app
from .arguments import server_settings
from .engines import Engines, LocalEngine
from .settings import ServerSettings

VERSION = "0.1.0"


def serve(options: argparse.Namespace) -> int:
    """Serve until the process is asked to end. Raises BadInput for settings that cannot be served."""
    named = {name: value for name, value in dotenv_values(options.env_file).items() if value}
    settings = server_settings(options, VERSION, named)
    _log(options.log_format)
    config = uvicorn.Config(
        build_app(settings, engines_of(settings)), host=settings.host, port=settings.port, log_config=None,
        ssl_certfile=settings.certificate, ssl_keyfile=settings.key, access_log=False, server_header=False,
        timeout_graceful_shutdown=2)
    server = Announcing(config, settings)
    server.run()
    return 0 if server.started else 1


def engines_of(settings: ServerSettings) -> Engines:
    """One engine here, or Ray's."""
    if settings.ray is None:
        return LocalEngine(settings.worker)
    from .ray_engines import RayEngines  # Ray takes seconds to import

    return RayEngines(settings)


class Announcing(uvicorn.Server):
    """Says on the standard output where it serves, once it does: the port may be one that the system chose."""

    def __init__(self, config: uvicorn.Config, settings: ServerSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self._settings.certificate else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        sys.stdout.write(f"Meshwright serves {address}/\n")
        if self._settings.fresh_token:
            sys.stdout.write(f"Token: {self._settings.token}\nPage: {address}/#token={self._settings.token}\n")
        sys.stdout.flush()


class _JsonLines(logging.Formatter):
    """One JSON object a line, with the job's id where a line is about one."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        line = {"time": self.formatTime(record), "level": record.levelname, "logger": record.name,
                "message": record.getMessage()}
        if job := getattr(record, "job", ""):
            line["job"] = job
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _log(form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else
                         logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
