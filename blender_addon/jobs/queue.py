# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: one job at the worker, the others wait here, so that a worker that dies takes only one with it."""

import logging
import time
from collections.abc import Callable

from ..backend.contract import (
    TERMINAL_EVENTS,
    Cancel,
    CancelledEvent,
    Done,
    ErrorReport,
    Failed,
    FreeMemory,
    JobFolder,
    MeshwrightError,
    Pong,
    Remedy,
    Request,
    Result,
    Submit,
)
from ..connection import WorkerSettings
from .deliveries import DELIVERED_NOTE as DELIVERED_NOTE
from .deliveries import Deliver, Deliveries
from .job import Job, JobState
from .outcome import End, keep_end, proven_end
from .supervisor import Limits, Supervisor
from .waiting_list import WaitingList

log = logging.getLogger(__name__)

SLICING_SECONDS, ACTIVE_SECONDS, IDLE_SECONDS = 0.01, 0.1, 1.0
_LOST = ErrorReport("The engine lost this job.", "It no longer knows it.", "Start the job again.", Remedy.RETRY)


class JobQueue:
    """Knows neither bpy nor the scene: `deliver` brings a finished job's folder into the scene, `blocked` says why
    that has to wait ("" when it need not), `worker_settings` which worker the preferences ask for now (None: none yet).
    `waiting` keeps what has not ended on the disk; None keeps it in memory only.
    """

    def __init__(self, deliver: Deliver, blocked: Callable[[], str],
                 worker_settings: Callable[[], WorkerSettings | None], limits: Limits,
                 supervisor: Supervisor, waiting: WaitingList | None = None) -> None:
        self._deliveries, self._worker_settings = Deliveries(deliver, blocked), worker_settings
        self._limits, self._supervisor, self._waiting = limits, supervisor, waiting
        self._jobs: list[Job] = []
        self._active: Job | None = None
        self._submitted = self._heard = False
        self._submitted_ping = 0
        self._cancelled_at = 0.0
        self.pause: ErrorReport | None = None
        """Why no waiting job is started until `resume`, None while they are."""

    @property
    def process(self) -> int:
        """The running worker's process, 0 when none runs."""
        return self._supervisor.process

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
            self.resume()
        job = Job(request, folder)
        self._jobs.append(job)
        if self._waiting is not None:
            self._waiting.add(job.id, folder.path)
        return job

    def take_over(self) -> list[Job]:
        """Queue what earlier sessions of Blender left unfinished, and pause until the artist resumes."""
        folders = [JobFolder(path) for path in self._waiting.take_over()] if self._waiting is not None else []
        found = [job for folder in folders if (job := _unfinished(folder)) and self.find(job.id) is None]
        self._jobs += found
        if found:
            self.pause = ErrorReport(
                f"{len(found)} job{'s are' if len(found) > 1 else ' is'} left from an earlier session.",
                "Blender ended first.", "Resume the queue, or cancel what is no longer wanted.")
        self._forget_ended()
        return found

    def resume(self) -> None:
        """Start waiting jobs again, as if no worker had died."""
        self.pause = None
        self._supervisor.forget_deaths()

    def restart_worker(self) -> None:
        """End the worker at once. Its job, unless its result is there already, runs again on another one."""
        self._supervisor.kill()
        self._let_go(lambda job: job.wait_again())

    def restore(self, folder: JobFolder) -> Job:
        """Take a finished job of an earlier session into the list and deliver it.

        Raises MeshwrightError when it is not finished or its folder cannot be read.
        """
        request, result = folder.read_request(), folder.read_result()
        if result is None:
            raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
        job = self.find(request.job)
        if job is None:
            job = Job(request, folder)
            self._jobs.append(job)
        elif not job.ended and job.result is None:
            raise MeshwrightError("This job has not finished.", f"It is {job.state}.", "Wait for it, or cancel it.")
        job.cancelling = False
        job.take(Done(request.job, result))
        return job

    def deliver_again(self, name: str) -> Job:
        """Put a finished job's result into the scene once more. Raises MeshwrightError when there is none."""
        job = self._known(name)
        if job.ended and job.result is None:
            return self.restore(job.folder)
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
                keep_end(job.folder, CancelledEvent(name))
            job.end_cancelled()
            self._active = None if job is self._active else self._active
        if self._waiting is not None:
            self._waiting.remove(name)  # whatever happens now, the artist does not want it back

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
        self._watch_silence()
        self._escalate()
        self._deliver_one()
        self._start_next()
        self._forget_ended()
        if self._deliveries.under_way:
            return SLICING_SECONDS
        if self._busy():
            return ACTIVE_SECONDS
        return IDLE_SECONDS if self._supervisor.watching else None

    def shutdown(self) -> None:
        """End the worker, within two seconds. What has not ended comes back in the next session."""
        self._supervisor.shutdown()
        if self._waiting is not None:
            self._waiting.close()

    def end_worker(self) -> None:
        """End the worker, within two seconds. Raises MeshwrightError while any job goes on."""
        if self._busy():
            raise MeshwrightError("The engine is busy.", "A job is running or waiting.",
                                  "Cancel it, or wait for it to finish.")
        self._supervisor.shutdown()

    def _busy(self) -> bool:
        """Whether any job goes on by itself; in a paused queue those that wait do not."""
        return any(not job.ended and (self.pause is None or job.state is not JobState.QUEUED) for job in self._jobs)

    def _receive(self) -> None:
        try:
            items = self._supervisor.poll()
        except MeshwrightError as error:
            self._lose_worker(error.report)
            return
        for item in items:
            job = self._active if self._submitted else None
            if isinstance(item, Pong):
                if job is not None and item.number > self._submitted_ping and job.id not in item.jobs:
                    self._settle(job, Failed(job.id, _LOST))  # its last event was lost on the way
                continue
            if job is None or item.job != job.id:
                log.warning("The worker spoke of a job that it does not have: %.200s", item)
                continue
            self._heard = True
            if isinstance(item, TERMINAL_EVENTS):
                self._settle(job, item)
            else:
                job.take(item)

    def _settle(self, job: Job, said: End) -> None:
        """End a job of the worker as its folder says, whatever the worker said, or did not say any more."""
        end = proven_end(job.folder, said)
        if type(end) is not type(said):
            log.warning("Job %s ended as %s by its folder, not as %s", job.id, type(end).__name__, type(said).__name__)
        keep_end(job.folder, end)
        job.take(end)
        if job is self._active:
            self._active = None

    def _lose_worker(self, report: ErrorReport) -> None:
        if self._active is None:
            log.warning("The worker was lost while it had no job: %s", report)
        elif not self._submitted:  # no fault of the job's: it stays
            self._active.wait_again()
            self.pause, self._active = report, None
        elif not self._heard:  # it had ended before it took the job
            self._let_go(lambda job: job.wait_again())
        else:
            self._let_go(lambda job: self._settle(job, Failed(job.id, report)))

    def _let_go(self, unfinished: Callable[[Job], None]) -> None:
        """Part the active job from a worker that has ended: finished or cancelled it is so, else `unfinished` decides.
        """
        job, submitted = self._active, self._submitted
        self._active = None
        if job is None or not submitted:
            return
        job.silent = False
        if job.cancelling or isinstance(proven_end(job.folder, CancelledEvent(job.id)), Done):
            self._settle(job, CancelledEvent(job.id))
        else:
            unfinished(job)

    def _watch_silence(self) -> None:
        """Show a worker that has stopped answering. One without a job is simply replaced by the next job's."""
        job, silent = self._active if self._submitted else None, self._supervisor.silent
        if job is None:
            if silent:
                log.warning("The worker no longer answers, and has no job")
                self._supervisor.kill()
            return
        job.silent = silent
        if silent and (job.folder.path / "result.json").is_file():  # it may be finished and unable to say so
            self._settle(job, Done(job.id, Result(())))

    def _escalate(self) -> None:
        if self._active is None or not self._active.cancelling:
            return
        waited = time.monotonic() - self._cancelled_at
        if waited > self._limits.cancel + self._limits.terminate:
            self._supervisor.kill()
        elif waited > self._limits.cancel:
            self._supervisor.terminate()

    def _deliver_one(self) -> None:
        self._deliveries.step(self._jobs)

    def _start_next(self) -> None:
        if self._active is None and self.pause is None:
            self._active = next((job for job in self._jobs if job.state is JobState.QUEUED), None)
            self._submitted = False
        if self._active is None or self._submitted:
            return
        job = self._active
        try:
            if self._supervisor.ready(self._wanted_worker()):
                self._supervisor.send(Submit(job.id, str(job.folder.path.absolute())))
                self._submitted, self._heard, self._submitted_ping = True, False, self._supervisor.last_ping
            else:
                job.stage = "Starting the engine"
        except MeshwrightError as error:
            job.stage = "Waiting"
            self.pause, self._active = error.report, None

    def _forget_ended(self) -> None:
        """Take out of the list on the disk what need not come back: what has ended, or left its result."""
        if self._waiting is None:
            return
        for name in self._waiting:
            job = self.find(name)
            if job is None or job.ended or job.result is not None:
                self._waiting.remove(name)

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


def _unfinished(folder: JobFolder) -> Job | None:
    """The job of a folder that is to run; None when it has ended, or cannot be read any more."""
    try:
        if folder.read_result() is None and folder.read_error() is None:
            return Job(folder.read_request(), folder)
    except MeshwrightError as error:
        log.warning("A job of an earlier session is left out: %s", error)
    return None
