# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of jobs. A plain class without any stdin: a child process and in-process use share it."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ..contract import (
    Cancel,
    CancelledEvent,
    Event,
    FreeMemory,
    JobFolder,
    Loading,
    Message,
    Ping,
    Pong,
    Queued,
    Ready,
    Shutdown,
    Submit,
)
from . import devices
from .adapter import adapter_is_imported, find_adapter, pipelines_of
from .job import WorkerJob
from .job_run import JobRunner
from .models import ModelStore
from .settings import Settings
from .time_left import Statistics

logger = logging.getLogger(__name__)


class Worker:
    """Runs submitted jobs one after the other, in the order in which they came.

    `submit`, `cancel`, `free_memory`, `handle` and `close` may be called from any thread, also from inside `emit`;
    `ready`, `wait` and `run_next` belong to one thread. `emit` is called from both sides.
    """

    def __init__(self, emit: Callable[[Event], None], settings: Settings) -> None:
        self._emit = emit
        self._settings = settings
        self._queue: deque[WorkerJob] = deque()
        self._running: WorkerJob | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._free_asked = False
        self._models = ModelStore()
        self._runner = JobRunner(settings, self._models, Statistics(settings.statistics))

    def ready(self) -> Ready:
        """The greeting, with the device in words. Imports torch: that takes seconds."""
        return Ready(devices.description(self._settings.device), os.getpid())

    def handle(self, message: Message) -> None:
        """Do what a message asks for."""
        match message:
            case Submit(job, folder):
                self.submit(job, Path(folder))
            case Cancel(job):
                self.cancel(job)
            case FreeMemory():
                self.free_memory()
            case Shutdown():
                self.close()
            case Ping() | Pong() | Ready():
                logger.error("%s is nothing that a worker does", type(message).__name__)

    def jobs(self) -> tuple[str, ...]:
        """The jobs that run and wait, the running one first."""
        with self._changed:
            return tuple(job.name for job in self._active())

    def submit(self, name: str, folder: Path) -> None:
        """Queue the job whose folder this is. Its `Failed` event reports what is wrong with it when its turn comes.

        A name that is queued or running already is left out: a job has one end only.
        """
        with self._changed:
            known = [job.name for job in self._active()]
            if name in known or self._closed:
                logger.error("Job %s is refused: %s", name, "its name is taken" if name in known else "closing")
                return
            job = WorkerJob(name, JobFolder(folder), self._emit)
            job.begin()
            # Reported before it can be taken, so that "queued" is a job's first event.
            job.report(Queued(name, len(known)))
            self._queue.append(job)
            self._changed.notify_all()

    def cancel(self, name: str) -> None:
        """Stop a queued job at once, a running one at its next progress call. An unknown name has ended already."""
        with self._changed:
            waiting = [job for job in self._queue if job.name == name]
            for job in waiting:
                self._queue.remove(job)
            if self._running is not None and self._running.name == name:
                self._running.cancelled.set()
        for job in waiting:
            job.report(CancelledEvent(name))

    def free_memory(self) -> None:
        """Unload every model that no job uses, between two jobs."""
        with self._changed:
            self._free_asked = True
            self._changed.notify_all()

    def close(self) -> None:
        """Cancel everything; `wait` returns False from now on."""
        with self._changed:
            self._closed = True
            names = [job.name for job in self._active()]
            self._changed.notify_all()
        for name in names:
            self.cancel(name)

    def wait(self) -> bool:
        """Sleep until there is something for `run_next`. False when the worker was closed, or has lost its GPU: what
        can be done then needs another process.
        """
        with self._changed:
            lost = self._runner.device_lost
            self._changed.wait_for(lambda: self._queue or self._closed or self._free_asked or lost)
            return not (self._closed or lost)

    def run_next(self) -> bool:
        """Run the oldest queued job to its end and emit its one terminal event. False when the queue was empty."""
        if self._free_asked:
            self._free_asked = False
            self._models.free()
        if not self._queue:
            return False
        self._import_libraries(self._queue[0])
        with self._changed:
            if not self._queue:
                return True
            job = self._running = self._queue.popleft()
        try:
            self._runner.run(job)
        finally:
            with self._changed:
                self._running = None
        return True

    def _import_libraries(self, job: WorkerJob) -> None:
        """Import the job's pipeline while the job still waits.

        The imports take seconds and cannot be interrupted, but a waiting job can be cancelled at once.
        """
        try:
            for pipeline in pipelines_of(job.folder.read_request()):
                if not adapter_is_imported(pipeline):
                    with self._changed:
                        if job in self._queue:
                            job.report(Loading(job.name, "libraries"))
                    find_adapter(pipeline)
        except Exception:  # whatever is wrong is met again, and reported, when the job runs
            logger.debug("Preparing job %s failed", job.name, exc_info=True)

    def _active(self) -> list[WorkerJob]:
        return [*([self._running] if self._running else []), *self._queue]
