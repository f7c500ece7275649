# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend relay`: a worker's messages on stdin and stdout, and a server that does the work."""

import argparse
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..contract import (
    BadInput,
    Cancel,
    Event,
    FreeMemory,
    JobFolder,
    MeshwrightError,
    Message,
    Ready,
    Shutdown,
    Submit,
    event_to_json,
    message_from_json,
    message_to_json,
)
from ..server.arguments import add_relay, given_token
from .relayed_job import RelayedJob
from .server_client import ServerClient, Unreachable

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.5


def main(arguments: Sequence[str]) -> int:
    """Run `relay …` and return the exit code; 1 for an error, in words on stderr."""
    parser = argparse.ArgumentParser(prog="python -m backend relay",
                                     description="Pass a worker's messages on to a server.")
    add_relay(parser)
    options = parser.parse_args(list(arguments)[1:])
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        server = ServerClient(options.url, given_token(options), options.certificate)
        return _test(server) if options.test else _relay(server)
    except MeshwrightError as error:
        sys.stderr.write(error.report.lines)
        return 1


def _test(server: ServerClient) -> int:
    """Say what the server is. Raises MeshwrightError when it cannot be used."""
    try:
        found = server.get("/v1/server")
    except Unreachable as error:
        raise MeshwrightError("The server does not answer.", f"{server.host}: {error}.",
                              "Check the address, and that the server runs.") from error
    if not isinstance(found, dict) or found.get("name") != "Meshwright":
        raise BadInput(f"{server.host} is no Meshwright server.", "Its answer is another one.", "Check the address.")
    sys.stdout.write(f"Connected: {found['device']} on {server.host}, {found['waiting']} jobs waiting\n")
    return 0


def _relay(server: ServerClient) -> int:
    relay = Relay(server)
    try:
        relay.greet()
        for line in sys.stdin.buffer:
            try:
                message = message_from_json(json.loads(line))
            except ValueError as error:  # BadInput is a ValueError
                logger.error("A message that cannot be read came: %s (%.200r)", error, line)
                continue
            if isinstance(message, Shutdown):
                break
            relay.handle(message)
    except KeyboardInterrupt:
        logger.info("Interrupted")
    relay.close()
    # The threads of jobs may wait for the network; nobody waits for them.
    sys.stdout.flush()
    os._exit(0)


class Relay:
    """The worker's side of the pipe. Jobs run in threads; the server decides on their order."""

    def __init__(self, server: ServerClient) -> None:
        self._server = server
        self._jobs: dict[str, RelayedJob] = {}
        self._writing = threading.Lock()

    def greet(self) -> None:
        """The worker's greeting, with the server's device where it answers; what is wrong, each job reports."""
        device = self._server.host
        try:
            device = f"{self._server.get('/v1/server')['device']} on {device}"
        except (Unreachable, MeshwrightError, TypeError, KeyError) as error:
            logger.warning("The server does not answer well: %s", error)
        self._send(message_to_json(Ready(device, os.getpid())))

    def handle(self, message: Message) -> None:
        """Do what a message asks for."""
        match message:
            case Submit(name, folder):
                if name in self._jobs and not self._jobs[name].ended.is_set():
                    logger.error("Job %s is refused: its name is taken", name)
                    return
                job = RelayedJob(name, JobFolder(Path(folder)), self._server, self._emit)
                self._jobs[name] = job
                threading.Thread(target=job.run, name=name, daemon=True).start()
            case Cancel(name):
                if name in self._jobs:
                    self._jobs[name].cancel()
            case FreeMemory():
                logger.info("The server decides which models stay in memory")
            case _:
                logger.error("A message came from the wrong side")

    def close(self) -> None:
        """Have the server stop what nobody waits for any more."""
        for job in self._jobs.values():
            if not job.ended.is_set():
                job.cancel()
        end = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < end and not all(job.ended.is_set() for job in self._jobs.values()):
            time.sleep(0.02)

    def _emit(self, event: Event) -> None:
        self._send(event_to_json(event))

    def _send(self, data: dict[str, Any]) -> None:
        with self._writing:
            try:
                sys.stdout.write(json.dumps(data) + "\n")
                sys.stdout.flush()
            except OSError:  # nobody reads any more; the end of stdin says so, too
                return
