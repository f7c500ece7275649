# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker as a child of this process, and the jobs that it is given, one at a time."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections import deque
from pathlib import Path

from ..contract import (
    TERMINAL_EVENTS,
    VERSION,
    Cancel,
    CancelledEvent,
    Event,
    JobFolder,
    Message,
    Ready,
    Shutdown,
    Submit,
    event_from_json,
    message_from_json,
    message_to_json,
)
from ..worker_client import WorkerSettings, command_line, ending, environment
from .claim import TOUCH_SECONDS, Claim
from .event_file import append

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
START_SECONDS = 180.0
CANCEL_SECONDS = 3.0
LONGEST_LINE = 64 * 2**20
LOG_LINES = 50


class EngineLost(Exception):
    """The worker could not be started, or died before its job ended. The text says how."""


class EngineUnreachable(EngineLost):
    """Nothing is heard of the engine; it may still be at work. Its claim says whether it is."""


class Engine:
    """Starts its worker with the first job and keeps it. `run` is called for one job at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._log_reader: asyncio.Task[None] | None = None
        self.device = ""

    async def run(self, job: str, path: Path, attempt: int) -> None:
        """Make this attempt at the job, to its terminal event. Does nothing where the attempt was made already.

        Raises EngineLost when the worker cannot be started or dies.
        """
        claim, folder = Claim(path, attempt), JobFolder(path)
        process = await self._started()
        if not claim.take():
            return
        self._send(process, Submit(job, str(path)))
        cancelled_at = 0.0
        line = self._next_line(process)
        touched = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait([line], timeout=LOOK_SECONDS)
                now = time.monotonic()
                if now - touched > TOUCH_SECONDS:
                    touched = now
                    claim.touch()
                if done:
                    if (event := _event_of(line.result(), job)) is not None:
                        append(folder, event)
                        if isinstance(event, TERMINAL_EVENTS):
                            return
                    if not line.result():
                        await self._lost(job, folder, bool(cancelled_at))
                        return
                    line = self._next_line(process)
                if not cancelled_at and claim.cancelled:
                    cancelled_at = now
                    self._send(process, Cancel(job))
                elif cancelled_at and now - cancelled_at > CANCEL_SECONDS:
                    self._kill(process)
        finally:
            if not line.done():
                line.cancel()

    async def close(self) -> None:
        """End the worker; a running job ends as cancelled."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None or process.stdin is None:
            return
        self._send(process, Shutdown())
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), CANCEL_SECONDS)
        except TimeoutError:
            self._kill(process)

    def kill(self) -> None:
        """End the worker at once; a running job stays without an end, to be taken up by the next server."""
        if self._process is not None:
            self._kill(self._process)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        try:
            process = await asyncio.create_subprocess_exec(
                *command_line(self._settings), cwd=self._settings.root, env=environment(self._settings),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE, start_new_session=sys.platform != "win32")
        except OSError as error:
            raise EngineLost(f"{self._settings.python}: {error.strerror or error}") from error
        self._process = process
        self._log_reader = asyncio.create_task(self._keep_log(process))
        try:
            greeting = await asyncio.wait_for(self._greeting(process), START_SECONDS)
        except TimeoutError as error:
            self._kill(process)
            raise EngineLost(f"The worker did not greet within {START_SECONDS:.0f} s.") from error
        self.device = greeting.device
        return process

    async def _greeting(self, process: asyncio.subprocess.Process) -> Ready:
        while text := await self._next_line(process):
            with contextlib.suppress(ValueError):
                message = message_from_json(json.loads(text))
                if isinstance(message, Ready) and message.version == VERSION:
                    return message
        raise EngineLost(await self._how_it_ended(process))

    async def _lost(self, job: str, folder: JobFolder, cancelled: bool) -> None:
        """The worker has ended within a job: an end that was asked for, or EngineLost."""
        assert self._process is not None
        process, self._process = self._process, None
        how = await self._how_it_ended(process)
        if not cancelled:
            raise EngineLost(how)
        append(folder, CancelledEvent(job))

    async def _how_it_ended(self, process: asyncio.subprocess.Process) -> str:
        code = await process.wait()
        if self._log_reader is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._log_reader), 1.0)
        for line in self._log:
            logger.warning("worker: %s", line)
        return ending(code)

    async def _keep_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._log.append(line.decode("utf-8", "replace").rstrip())

    def _next_line(self, process: asyncio.subprocess.Process) -> asyncio.Task[bytes]:
        assert process.stdout is not None
        return asyncio.create_task(process.stdout.readline())

    def _send(self, process: asyncio.subprocess.Process, message: Message) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message_to_json(message)).encode() + b"\n")

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        if sys.platform == "win32":
            process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _event_of(line: bytes, job: str) -> Event | None:
    """The event of this job that the line holds, if it is one."""
    try:
        event = event_from_json(json.loads(line))
    except ValueError:  # BadInput is a ValueError; noise on the pipe concerns nobody
        return None
    return event if event.job == job else None
