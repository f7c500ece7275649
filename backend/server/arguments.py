# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `serve`, `relay` and `mcp`. Light: every command's parser is made with them."""

import argparse
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from ..contract import BadInput
from ..pipelines import registry
from ..worker_client import WorkerSettings
from .settings import MEGABYTE, Limits, RaySettings, ServerSettings, StoreSettings

HOME = Path.home() / ".cache" / "meshwright"
TOKEN_VARIABLE = "MESHWRIGHT_TOKEN"
DEFAULTS = Limits()


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Options of `serve`, besides the worker's."""
    parser.add_argument("--host", "--hostname", help="address to listen on (HOST of the .env file, or 127.0.0.1)")
    parser.add_argument("--port", "-p", type=int, help="port (PORT of the .env file, or 8000); 0 for a free one")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE",
                        help="settings by name: HOST, PORT, VERSION, S3_BUCKET_NAME, S3_ENDPOINT_URL, S3_ACCESS_KEY, "
                             "S3_SECRET_KEY, S3_REGION, S3_VALIDATE_SSL, S3_BUCKET_PUBLIC_URL, S3_ADDRESSING_STYLE; "
                             "those of S3 count also as environment variables (%(default)s)")
    parser.add_argument("--data", type=Path, default=HOME / "server", metavar="DIR",
                        help="folder of jobs and results (%(default)s)")
    _add_token(parser)
    parser.add_argument("--no-token", action="store_true", help="ask for none: this machine only")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    parser.add_argument("--queue", type=int, default=DEFAULTS.waiting, metavar="N",
                        help="jobs that may wait; more are refused with 429 (%(default)s)")
    parser.add_argument("--max-upload", type=float, default=DEFAULTS.upload_bytes / MEGABYTE, metavar="MB",
                        help="largest file that is taken (%(default)g)")
    parser.add_argument("--keep-days", type=float, default=DEFAULTS.keep_days, metavar="DAYS",
                        help="ended jobs are deleted after so long; 0 keeps them (%(default)g)")
    parser.add_argument("--allow-downloads", action="store_true", help="let clients download published weights")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="lines of the log (%(default)s)")
    _add_ray(parser)


def add_mcp(parser: argparse.ArgumentParser) -> None:
    """Options of `mcp`, besides those of `serve`."""
    add_serve(parser)
    parser.add_argument("--http", action="store_true", help="speak over HTTP at /mcp, with the token, not over stdio")


def add_relay(parser: argparse.ArgumentParser) -> None:
    """Options of `relay`."""
    parser.add_argument("--url", required=True, help="the server's address, as https://gpu.studio.example:8000")
    _add_token(parser)
    parser.add_argument("--certificate", type=Path, metavar="FILE",
                        help="certificate of the authority that signed the server's, PEM; without it, the system's")
    parser.add_argument("--test", action="store_true", help="try the connection, say what is there, and end")


def given_token(options: argparse.Namespace) -> str:
    """The token from its file, the option or the environment; "" where there is none. Raises BadInput."""
    if options.token_file is not None:
        try:
            return options.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInput("The token cannot be read.", f"{options.token_file}: {error.strerror}.",
                           "Set it again.") from error
    return (options.token or os.environ.get(TOKEN_VARIABLE, "")).strip()


def server_settings(options: argparse.Namespace, version: str, named: Mapping[str, str]) -> ServerSettings:
    """What was asked for: by options, else by the settings `named` in the file. Raises BadInput."""
    given = given_token(options)
    token = "" if options.no_token else given or secrets.token_urlsafe(32)
    second = options.second_device or ("cuda:1" if options.multi else "")
    worker = WorkerSettings(
        python=Path(sys.executable), root=Path(__file__).resolve().parents[2], models=options.models.absolute(),
        device=options.device, second_device=second, memory_mode=options.memory_mode, compile=options.compile,
        statistics=options.statistics.absolute(), background_model=options.background_model,
        pipelines=Path(further).absolute() if (further := os.environ.get(registry.VARIABLE)) else None)
    ray = None
    if options.ray is not None or options.most_engines > 1:
        gpus = options.gpus_per_engine if options.gpus_per_engine is not None else 2 if options.multi else \
            0 if options.device == "cpu" else 1
        address = "" if options.ray in (None, "local") else options.ray
        ray = RaySettings(address, gpus, options.fewest_engines, options.most_engines, options.idle_seconds)
    limits = Limits(waiting=options.queue, upload_bytes=int(options.max_upload * MEGABYTE),
                    keep_days=options.keep_days)
    return ServerSettings(
        data=options.data.absolute(), worker=worker, host=options.host or named.get("HOST") or "127.0.0.1",
        port=_port(named) if options.port is None else options.port, token=token,
        fresh_token=bool(token) and not given, certificate=options.tls_cert, key=options.tls_key, ray=ray,
        store=StoreSettings.read({**named, **_of_store(os.environ)}), downloads=options.allow_downloads,
        version=named.get("VERSION") or version, limits=limits).checked()


def _port(named: Mapping[str, str]) -> int:
    text = named.get("PORT") or "8000"
    if not text.isdigit() or int(text) > 65535:
        raise BadInput("PORT does not fit.", f"It is '{text}'.", "Use a number up to 65535.")
    return int(text)


def _of_store(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith("S3_")}


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--token", default="", help=f"the server's token; better in the variable {TOKEN_VARIABLE}, "
                        "since others see a command's words. A server without one makes one and prints it")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="file that holds the token")


def _add_ray(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several GPUs and machines, by Ray")
    group.add_argument("--ray", nargs="?", const="local", metavar="ADDRESS",
                       help="spread engines with Ray: here, or over the cluster at this address ('auto' for the one "
                            "that this machine belongs to)")
    group.add_argument("--multi", action="store_true", help="two GPUs for each engine: decoders run on the second")
    group.add_argument("--gpus-per-engine", type=float, metavar="N", help="GPUs of one engine (1, with --multi 2, "
                       "on the CPU 0)")
    group.add_argument("--fewest-engines", type=int, default=0, metavar="N",
                       help="that stay without work (%(default)s)")
    group.add_argument("--most-engines", type=int, default=1, metavar="N", help="at the highest load (%(default)s)")
    group.add_argument("--idle-seconds", type=float, default=RaySettings.idle_seconds, metavar="S",
                       help="how long an engine without work stays (%(default)g)")


