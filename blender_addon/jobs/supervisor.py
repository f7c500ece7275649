# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one worker: starts it when a job needs it, notices its death, restarts it, and ends it in the end."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..backend.contract import VERSION, Event, MeshwrightError, Message, Pong, Ready, Remedy
from ..backend.contract.engine_end import end_of_engine
from ..connection import Connection, WorkerSettings, connect
from .pulse import Pulse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Seconds, but for `deaths`. A worker must greet within `start`; it has `goodbye` to end by itself.

    A cancelled job has `cancel` to stop before its worker is terminated, and `terminate` more before it is killed.
    After `deaths` deaths within `death_window` no worker is started until the window has passed or the artist retries.
    """

    start: float = 120.0
    goodbye: float = 2.0
    cancel: float = 2.0
    terminate: float = 1.0
    deaths: int = 3
    death_window: float = 60.0


class Supervisor:
    """One worker at a time. Nothing waits here but `shutdown`; `poll` and `ready` are called again and again."""

    def __init__(self, limits: Limits, connect: Callable[[WorkerSettings], Connection] = connect) -> None:
        self._limits, self._connect = limits, connect
        self._connection: Connection | None = None
        self._settings: WorkerSettings | None = None
        self._started_at = 0.0
        self._greeting: Ready | None = None
        self._pulse = Pulse()
        self._deaths: deque[float] = deque()
        self._ordered_to_end = False
        self._leaving: list[tuple[Connection, float]] = []

    @property
    def watching(self) -> bool:
        """True while any worker runs, also one that was asked to end."""
        return self._connection is not None or bool(self._leaving)

    @property
    def process(self) -> int:
        """The running worker's process on this computer, 0 when none runs."""
        return self._greeting.process if self._greeting else 0

    @property
    def device(self) -> str:
        """The running worker's device in words, "" when none runs."""
        return self._greeting.device if self._greeting else ""

    @property
    def greeted(self) -> bool:
        """Whether the worker that runs has got as far as its greeting."""
        return self._greeting is not None

    @property
    def silent(self) -> bool:
        """True when the running worker has stopped answering, or cannot answer any more."""
        return self._connection is not None and self.greeted and (self._pulse.silent or self._connection.mute())

    @property
    def last_ping(self) -> int:
        """The number of the last ping: a pong with a higher one is the answer to a later ping."""
        return self._pulse.number

    def ready(self, settings: WorkerSettings) -> bool:
        """True when a worker with these settings takes jobs; starts one when there is none, and replaces another one.

        Raises MeshwrightError when it cannot be started or has died too often.
        """
        if self._connection is not None and settings != self._settings:
            self.retire()
        if settings != self._settings:
            self._settings = settings
            self.forget_deaths()
        if self._connection is None:
            self._check_deaths()
            self._start(settings)
        return self._greeting is not None

    def send(self, message: Message) -> None:
        """Tell the worker; without one there is nobody to tell."""
        if self._connection is not None:
            self._connection.send(message)

    def poll(self) -> list[Event | Pong]:
        """Events, and answers to pings, that have come. Raises MeshwrightError once when the worker has died or never
        answered.
        """
        self._see_off()
        if self._connection is None:
            return []
        items: list[Event | Pong] = []
        for item in self._connection.poll():
            if isinstance(item, Ready):
                self._greet(item)
            elif isinstance(item, Pong):
                self._pulse.hear(item)
                items.append(item)
            elif not isinstance(item, Message):
                items.append(item)
        if not items:
            self._check_life(self._connection)
        if self._greeting is not None and self._greeting.heartbeat:
            self._pulse.step(self.send)
        return items

    def terminate(self) -> None:
        """End the worker politely; `poll` notices. That is no death to worry about."""
        self._ordered_to_end = True
        if self._connection is not None:
            self._connection.terminate()

    def kill(self) -> None:
        """End the worker at once; `poll` notices. That is no death to worry about."""
        self._ordered_to_end = True
        if self._connection is not None:
            self._connection.kill()

    def retire(self) -> None:
        """Let the worker end in its own time; the next job starts another one."""
        if self._connection is not None:
            self._connection.close()
            self._leaving.append((self._connection, time.monotonic() + self._limits.goodbye))
        self._connection = self._greeting = None

    def forget_deaths(self) -> None:
        """The artist tries again: start workers as if none had died."""
        self._deaths.clear()

    def shutdown(self) -> None:
        """End every worker, waiting `goodbye` seconds at most."""
        self.retire()
        while self._leaving:
            self._see_off()
            time.sleep(0.01)

    def _start(self, settings: WorkerSettings) -> None:
        log.info("Starting a worker: %s", settings)
        connection = self._connect(settings)
        connection.start()
        self._connection, self._started_at, self._ordered_to_end = connection, time.monotonic(), False
        self._pulse = Pulse()

    def _greet(self, greeting: Ready) -> None:
        if greeting.version != VERSION:
            self.retire()
            raise MeshwrightError("The engine has another version.",
                                  f"It uses version {greeting.version} of the protocol, the add-on version {VERSION}.",
                                  "Repair the engine in the preferences.", Remedy.OPEN_PREFERENCES)
        log.info("The worker is ready on %s", greeting.device)
        self._greeting = greeting

    def _check_life(self, connection: Connection) -> None:
        if not connection.alive():
            what = "The engine stopped unexpectedly." if self._greeting else "The engine could not start."
        elif self._greeting is None and time.monotonic() - self._started_at > self._limits.start:
            what = f"The engine did not answer within {self._limits.start:g} seconds."
        else:
            return
        status = connection.exit_status()  # before the kill, which would be the reason of every end
        connection.kill()
        self._connection = self._greeting = None
        if not self._ordered_to_end:
            self._deaths.append(time.monotonic())
        report = end_of_engine(what, status, connection.last_log_lines())
        log.error("%s %s", report, report.details.rpartition("\n")[2])
        raise MeshwrightError(report.what, report.why, report.advice, report.remedy, report.details)

    def _check_deaths(self) -> None:
        now = time.monotonic()
        while self._deaths and now - self._deaths[0] > self._limits.death_window:
            self._deaths.popleft()
        if len(self._deaths) >= self._limits.deaths:
            raise MeshwrightError("The engine keeps crashing.",
                                  f"It stopped {len(self._deaths)} times within {self._limits.death_window:g} seconds.",
                                  "Open the log of a failed job, or check the engine in the preferences, then resume.",
                                  Remedy.OPEN_PREFERENCES)

    def _see_off(self) -> None:
        staying = []
        for connection, deadline in self._leaving:
            connection.poll()
            if connection.alive() and time.monotonic() < deadline:
                staying.append((connection, deadline))
            else:
                connection.kill()
        self._leaving = staying

