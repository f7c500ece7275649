# SPDX-License-Identifier: GPL-3.0-or-later
"""One job on a server, mirrored into its local job folder as a worker here would have left it."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ..contract import (
    TERMINAL_EVENTS,
    VERSION,
    WEIGHTS_TASKS,
    BadInput,
    CancelledEvent,
    Done,
    ErrorReport,
    Event,
    Failed,
    JobFolder,
    LogLine,
    MeshwrightError,
    Preview,
    Queued,
    Remedy,
    Request,
    event_from_json,
    unwritable_folder,
)
from ..pipelines import registry
from .server_client import ServerClient, ServerError, Unreachable, pause_after, wait

logger = logging.getLogger(__name__)

T = TypeVar("T")
PATIENCE_SECONDS = 600.0
"""How long a server may be away before its job is given up."""
TOLD_AFTER_SECONDS = 2.0
CANCEL_SECONDS = 1.5
LOST = "The server does not answer. Trying again until it does."
BACK = "The server answers again."


class _Cancelled(Exception):
    """Nobody waits for this job any more."""


class RelayedJob:
    """`run` belongs to a thread of its own; `cancel` may be called from any other."""

    def __init__(self, name: str, folder: JobFolder, server: ServerClient, emit: Callable[[Event], None]) -> None:
        self._name, self._folder, self._server, self._emit = name, folder, server, emit
        self._remote = str(uuid.uuid4())
        self._last = 0
        self._submitted = False
        self._cancelled = threading.Event()
        self._reporting = threading.Lock()
        self.ended = threading.Event()

    def run(self) -> None:
        """From the local request to the one terminal event. Raises nothing."""
        try:
            end = self._end()
        except _Cancelled:
            end = CancelledEvent(self._name)
        except MeshwrightError as error:
            end = self._failed(error.report)
        except OSError as error:
            end = self._failed(unwritable_folder(self._folder.path, error).report)
        self._report(end)

    def cancel(self) -> None:
        """Stop the job: within two seconds, also when the server does not answer."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            threading.Thread(target=self._cancel_there, name="cancel", daemon=True).start()
            threading.Thread(target=self._end_cancelled, name="cancel", daemon=True).start()

    def _cancel_there(self) -> None:
        """Ask the server until it has heard, so that it does not work for nobody."""
        failures, began = 0, time.monotonic()
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                self._server.post(f"/v1/jobs/{self._remote}/cancel")
                return
            except MeshwrightError as error:
                logger.info("The server did not cancel %s: %s", self._name, error)
                return
            except Unreachable:
                time.sleep(pause_after(failures))
                failures += 1

    def _end_cancelled(self) -> None:
        if not self.ended.wait(CANCEL_SECONDS):
            self._report(CancelledEvent(self._name))

    def _end(self) -> Event:
        request = self._folder.read_request()
        if request.job != self._name:
            raise MeshwrightError("This job's folder is another job's.", f"It holds {request.job!r}.",
                                  "Start the job again.")
        self._report(Queued(self._name, 0))
        _check_local_files(request)
        self._check_version(self._patiently(lambda: self._server.get("/v1/server")))
        body = {"pipeline": request.pipeline, "task": request.task, "weights": request.weights,
                "subject": request.subject, "seed": request.seed, "parameters": dict(request.parameters),
                "inputs": {name: list(files) for name, files in request.inputs.items()}}
        self._patiently(lambda: self._server.put(f"/v1/jobs/{self._remote}", body))
        for file in [file for files in request.inputs.values() for file in files]:
            self._upload(file)
        self._submitted = True
        self._patiently(lambda: self._server.post(f"/v1/jobs/{self._remote}/submit"))
        return self._patiently(self._follow)

    def _check_version(self, server: Any) -> None:
        if not isinstance(server, dict) or server.get("contract") != VERSION:
            raise BadInput("The server is of another version of Meshwright.",
                           f"It speaks version {server.get('contract') if isinstance(server, dict) else '?'}, this "
                           f"one {VERSION}.", "Update both to the same version.")

    def _upload(self, file: str) -> None:
        path = f"/v1/jobs/{self._remote}/inputs/{file}"
        self._patiently(lambda: self._server.upload(path, self._folder.inputs / file, self._check))

    def _follow(self) -> Event:
        """Mirror the events from the last known one on, to the terminal one."""
        for number, data in self._server.events(self._remote, self._last):
            event: Event = replace(event_from_json(data), job=self._name)
            if isinstance(event, TERMINAL_EVENTS):
                return self._finished(event)
            if isinstance(event, Preview):
                self._fetch(event.file)
            if not (isinstance(event, Queued) and event.ahead == 0):  # the first one was reported here
                self._report(event)
            self._last = number
            self._check()
        raise Unreachable("the events were cut off")

    def _finished(self, event: Event) -> Event:
        if isinstance(event, Failed):
            self._folder.write_error(event.error)
        if isinstance(event, Done):
            files = [artifact.file for artifact in event.result.artifacts]
            files += [artifact.file for of_file in event.result.files.values() for artifact in of_file.artifacts]
            for file in dict.fromkeys(files):
                self._fetch(file)
            self._folder.write_result(event.result)
        return event

    def _fetch(self, file: str) -> None:
        path = f"/v1/jobs/{self._remote}/files/{file}"
        self._patiently(lambda: self._server.download(path, self._folder.outputs / file, self._check))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer, after as many tries as it takes. Raises MeshwrightError when the server stays away too long."""
        failures, began, told = 0, time.monotonic(), False
        while True:
            last = self._last
            try:
                answer = ask()
            except ServerError as error:
                if error.status != 429 or not error.retry_after:
                    raise
                wait(min(error.retry_after, 30.0), self._check)
                continue
            except Unreachable as error:
                if self._last > last:  # it did answer in between
                    failures, began = 0, time.monotonic()
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise MeshwrightError(
                        "The server does not answer.", f"{self._server.host}: {error}.",
                        "Check that it runs, and Test Connection in the preferences.", Remedy.RETRY) from error
                if not told and time.monotonic() - began > TOLD_AFTER_SECONDS:
                    told = True
                    self._report(LogLine(self._name, LOST, "warning"))
                wait(pause_after(failures), self._check)
                failures += 1
                continue
            if told:
                self._report(LogLine(self._name, BACK))
            return answer

    def _check(self) -> None:
        """Raises _Cancelled where there is nothing more to do for the artist."""
        if self.ended.is_set() or (self._cancelled.is_set() and not self._submitted):
            raise _Cancelled

    def _failed(self, report: ErrorReport) -> Failed:
        try:
            self._folder.write_error(report)
            with self._folder.log.open("a", encoding="utf-8") as file:
                file.write(f"{report}\n")
        except (OSError, MeshwrightError) as error:
            logger.warning("The error is not kept: %s", error)
        return Failed(self._name, report)

    def _report(self, event: Event) -> None:
        """Keep and emit an event, unless the job has ended."""
        with self._reporting:
            if self.ended.is_set():
                return
            try:
                self._folder.append_event(event)
            except OSError as error:
                logger.warning("The event is not kept: %s", error)
            if isinstance(event, TERMINAL_EVENTS):
                self.ended.set()
        self._emit(event)


def _check_local_files(request: Request) -> None:
    """Raises MeshwrightError for options that name files of this computer."""
    task: Any = registry.spec(request.pipeline).task(request.task)
    for parameter in task.parameters if task not in WEIGHTS_TASKS else ():
        if parameter.kind == "file" and request.parameters.get(parameter.name):
            raise MeshwrightError(f"{parameter.label} cannot be used with a server.", "It is a file of this computer.",
                                  "Leave it empty, or run on this computer.")
