# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: one job at the worker, the others wait here, so that a worker that dies takes only one with it."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

from ..backend.contract import (
    Cancel,
    CancelledEvent,
    Done,
    ErrorReport,
    Event,
    Failed,
    FreeMemory,
    JobFolder,
    MeshwrightError,
    Remedy,
    Request,
    Submit,
)
from ..connection import WorkerSettings
from .job import Job, JobState
from .supervisor import Limits, Supervisor

log = logging.getLogger(__name__)

ACTIVE_SECONDS, IDLE_SECONDS = 0.1, 1.0
DELIVERED_NOTE = "delivered.json"
"""Lies in the folder of a job whose result was put into a scene at least once."""


class Report(Protocol):
    """What a delivery returns: remarks that the artist should read, and what is in the scene now."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks, in order."""

    @property
    def objects(self) -> Sequence[str]:
        """Names of the objects that were made or changed, the main one first."""

    @property
    def title(self) -> str:
        """What they are, in a few words: "6 parts"."""


class JobQueue:
    """Knows neither bpy nor the scene: `deliver` brings a finished job's folder into the scene, `blocked` says why
    that has to wait ("" when it need not), `worker_settings` which worker the preferences ask for now (None: none yet).
    """

    def __init__(self, deliver: Callable[[JobFolder], Report], blocked: Callable[[], str],
                 worker_settings: Callable[[], WorkerSettings | None], limits: Limits,
                 supervisor: Supervisor) -> None:
        self._deliver, self._blocked, self._worker_settings = deliver, blocked, worker_settings
        self._limits, self._supervisor = limits, supervisor
        self._jobs: list[Job] = []
        self._active: Job | None = None
        self._submitted = False
        self._cancelled_at = 0.0

    @property
    def device(self) -> str:
        """The running worker's device in words, "" when none runs."""
        return self._supervisor.device

    def jobs(self) -> list[Job]:
        """All jobs of this session, the oldest first."""
        return list(self._jobs)

    def find(self, name: str) -> Job | None:
        """The job of that name, or None."""
        return next((job for job in self._jobs if job.id == name), None)

    def submit(self, request: Request, folder: JobFolder) -> Job:
        """Queue a job whose folder is written. When the worker has nothing left to do, this is the artist's own new
        try, and earlier deaths are forgotten.
        """
        if self._active is None and not any(job.state is JobState.QUEUED for job in self._jobs):
            self._supervisor.forget_deaths()
        job = Job(request, folder)
        self._jobs.append(job)
        return job

    def restore(self, folder: JobFolder) -> Job:
        """Take a finished job of an earlier session into the list and deliver it.

        Raises MeshwrightError when it is not finished or its folder cannot be read.
        """
        request, result = folder.read_request(), folder.read_result()
        if self.find(request.job):
            return self.deliver_again(request.job)
        if result is None:
            raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
        job = Job(request, folder)
        job.take(Done(request.job, result))
        self._jobs.append(job)
        return job

    def deliver_again(self, name: str) -> Job:
        """Put a finished job's result into the scene once more. Raises MeshwrightError when there is none."""
        job = self._known(name)
        if job.result is None or not job.result.artifacts:
            raise MeshwrightError("This job has nothing to deliver.", f"It is {job.state}.", "Start it again.",
                                  Remedy.RETRY)
        job.deliver_next()
        return job

    def deliver_waiting(self) -> bool:
        """Try those results again that waited for their file. Returns whether there are any."""
        waiting = [job for job in self._jobs if job.waits_for_file]
        for job in waiting:
            job.deliver_next()
        return bool(waiting)

    def cancel(self, name: str) -> None:
        """Stop a job. One that runs answers within a second; otherwise its worker is ended, first politely."""
        job = self._known(name)
        if job is self._active and self._submitted:
            if not job.cancelling:
                job.cancelling, job.stage, self._cancelled_at = True, "Cancelling", time.monotonic()
                self._supervisor.send(Cancel(name))
        elif not job.ended:
            if job.result is None:
                _keep(job, CancelledEvent(name))
            job.end_cancelled()
            self._active = None if job is self._active else self._active

    def cancel_all(self) -> None:
        """Stop every job that runs or waits, the waiting ones first."""
        for job in reversed(self._jobs):
            if not job.ended:
                self.cancel(job.id)

    def move(self, name: str, step: int) -> None:
        """Have a waiting job change places with the one that waits `step` places behind it, before it if negative."""
        waiting = [job for job in self._jobs if job.state is JobState.QUEUED and job is not self._active]
        job = self._known(name)
        place = waiting.index(job) + step if job in waiting else -1
        if 0 <= place < len(waiting):
            here, there = self._jobs.index(job), self._jobs.index(waiting[place])
            self._jobs[here], self._jobs[there] = self._jobs[there], self._jobs[here]

    def remove(self, name: str) -> None:
        """Take an ended job out of the list; its folder stays. Raises MeshwrightError while it goes on."""
        job = self._known(name)
        if not job.ended:
            raise MeshwrightError("This job has not finished.", f"It is {job.state}.", "Cancel it first.")
        self._jobs.remove(job)

    def free_memory(self) -> None:
        """Have the worker unload every model that no job uses."""
        self._supervisor.send(FreeMemory())

    def poll_once(self) -> float | None:
        """Move everything on by one small step. Returns the seconds until the next, None when nothing is left."""
        self._receive()
        self._escalate()
        self._deliver_one()
        self._start_next()
        if not all(job.ended for job in self._jobs):
            return ACTIVE_SECONDS
        return IDLE_SECONDS if self._supervisor.watching else None

    def shutdown(self) -> None:
        """End the worker, within two seconds. A running job ends as cancelled."""
        self._supervisor.shutdown()

    def end_worker(self) -> None:
        """End the worker, within two seconds. Raises MeshwrightError while any job goes on."""
        if not all(job.ended for job in self._jobs):
            raise MeshwrightError("The engine is busy.", "A job is running or waiting.",
                                  "Cancel it, or wait for it to finish.")
        self._supervisor.shutdown()

    def _receive(self) -> None:
        try:
            events = self._supervisor.poll()
        except MeshwrightError as error:
            self._lose_worker(error.report)
            return
        for event in events:
            job = self.find(event.job)
            if job is not None and not job.ended:
                job.take(event)
        if self._active is not None and (self._active.ended or self._active.result is not None):
            self._active = None

    def _lose_worker(self, report: ErrorReport) -> None:
        job, self._active = self._active, None
        if job is None:
            log.warning("The worker was lost while it had no job: %s", report)
        elif job.cancelling:
            _keep(job, CancelledEvent(job.id))
            job.end_cancelled()
        else:
            _fail(job, report)

    def _escalate(self) -> None:
        if self._active is None or not self._active.cancelling:
            return
        waited = time.monotonic() - self._cancelled_at
        if waited > self._limits.cancel + self._limits.terminate:
            self._supervisor.kill()
        elif waited > self._limits.cancel:
            self._supervisor.terminate()

    def _deliver_one(self) -> None:
        job = next((job for job in self._jobs if job.state is JobState.DELIVERING), None)
        if job is None:
            return
        if reason := self._blocked():
            job.stage = reason
            return
        try:
            report = self._deliver(job.folder)
        except MeshwrightError as error:
            job.error = error.report
        except Exception as error:  # whatever Blender's API raises must not stop the queue; it is reported
            log.exception("Delivering %s failed", job.id)
            job.error = ErrorReport("The result could not be added to the scene.", f"{type(error).__name__}: {error}",
                                    "It is kept. Deliver it again from the list of jobs.", None, traceback.format_exc())
        else:
            job.notes += [note for note in report.notes if note not in job.notes]
            job.delivered, job.objects, job.title = True, tuple(report.objects), report.title
            _note_delivery(job)
        job.state, job.stage = JobState.DONE, "Done" if job.delivered else "Not delivered"

    def _start_next(self) -> None:
        if self._active is None:
            self._active = next((job for job in self._jobs if job.state is JobState.QUEUED), None)
            self._submitted = False
        if self._active is None or self._submitted:
            return
        job = self._active
        try:
            if self._supervisor.ready(self._wanted_worker()):
                self._supervisor.send(Submit(job.id, str(job.folder.path.absolute())))
                self._submitted = True
            else:
                job.stage = "Starting the engine"
        except MeshwrightError as error:
            self._active = None
            _fail(job, error.report)

    def _wanted_worker(self) -> WorkerSettings:
        settings = self._worker_settings()
        if settings is None:
            raise MeshwrightError("The AI engine is not installed.", "Jobs cannot run without it.",
                                  "Install it in the preferences.", Remedy.OPEN_PREFERENCES)
        return settings

    def _known(self, name: str) -> Job:
        job = self.find(name)
        if job is None:
            raise MeshwrightError("This job is not in the list.", "It was removed.", "Look into the history.")
        return job


def _fail(job: Job, report: ErrorReport) -> None:
    """End a job for which no worker can speak any more, and leave that in its folder too."""
    job.fail(report)
    _keep(job, Failed(job.id, report))
    try:
        job.folder.write_error(report)
        with job.folder.log.open("a", encoding="utf-8") as file:
            file.write("\n".join(filter(None, (str(report), report.details))) + "\n")
    except (OSError, MeshwrightError) as error:
        log.warning("The error of %s is not kept: %s", job.id, error)


def _keep(job: Job, event: Event) -> None:
    try:
        job.folder.append_event(event)
    except OSError as error:
        log.warning("The end of %s is not kept: %s", job.id, error)


def _note_delivery(job: Job) -> None:
    try:
        job.folder.write_note(DELIVERED_NOTE, {"at": time.time()})
    except MeshwrightError as error:
        log.warning("The delivery of %s is not noted: %s", job.id, error)
