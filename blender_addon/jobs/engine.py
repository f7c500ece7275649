# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue in Blender: one persistent timer, one handler, one exit hook.

Timers do not fire in background mode; there a script calls `wait`, or `poll_once` itself.
"""

import atexit
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy

from ..backend.contract import ErrorReport, JobFolder, MeshwrightError, Request
from ..connection import WorkerSettings
from .deliveries import Deliver
from .job import Job, JobState
from .queue import IDLE_SECONDS, JobQueue
from .supervisor import Limits, Supervisor
from .waiting_list import WaitingList

log = logging.getLogger(__name__)

REDRAW_SECONDS = 0.2
_queue: JobQueue | None = None
_ended: Callable[[], None] | None = None
_show: Callable[[Sequence[Job]], None] | None = None
_drawn: tuple[object, ...] = ()
_drawn_at = 0.0


def register(deliver: Deliver, blocked: Callable[[], str],
             worker_settings: Callable[[], WorkerSettings | None], limits: Limits | None = None,
             ended: Callable[[], None] | None = None,
             show: Callable[[Sequence[Job]], None] | None = None, jobs_folder: Path | None = None) -> None:
    """Make the queue; see `JobQueue` for the callables. No worker is started before the first job.

    `ended` is called after a step in which jobs ended, `show` after each step with all jobs. In `jobs_folder` jobs that
    have not ended are kept for the next session; those of an earlier one are in the queue at once, which is paused.
    """
    global _queue, _ended, _show
    _ended, _show = ended, show
    limits = limits or Limits()
    waiting = WaitingList(jobs_folder) if jobs_folder is not None else None
    _queue = JobQueue(deliver, blocked, worker_settings, limits, Supervisor(limits), waiting)
    _queue.take_over()
    bpy.app.handlers.load_post.append(_after_load)
    atexit.register(_queue.shutdown)


def unregister() -> None:
    """End the worker, within two seconds, and take everything out of Blender that `register` put there."""
    global _queue
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.handlers.load_post.remove(_after_load)
    queue, _queue = _running_queue(), None
    atexit.unregister(queue.shutdown)
    queue.shutdown()


def submit(request: Request, folder: JobFolder) -> Job:
    """Queue a job whose folder is written."""
    return _watched(_running_queue().submit(request, folder))


def restore(folder: JobFolder) -> Job:
    """Deliver a finished job of an earlier session. Raises MeshwrightError when it is not finished."""
    return _watched(_running_queue().restore(folder))


def paused() -> ErrorReport | None:
    """Why no waiting job is started until `resume`, None while they are."""
    return _running_queue().pause


def resume() -> None:
    """Start waiting jobs again, as if no worker had died."""
    _running_queue().resume()
    _after_load(None)


def restart_worker() -> None:
    """End a worker that does not answer; its job runs again, unless its result is there already."""
    _running_queue().restart_worker()


def deliver_again(name: str) -> Job:
    """Put a finished job's result into the scene once more. Raises MeshwrightError when there is none."""
    return _watched(_running_queue().deliver_again(name))


def cancel(name: str) -> None:
    """Stop a job; see `JobQueue.cancel`. Raises MeshwrightError for an unknown one."""
    _running_queue().cancel(name)


def cancel_all() -> None:
    """Stop every job that runs or waits."""
    _running_queue().cancel_all()


def move(name: str, step: int) -> None:
    """Have a waiting job run later, or earlier where `step` is negative. Raises MeshwrightError for an unknown one."""
    _running_queue().move(name, step)


def remove(name: str) -> None:
    """Take an ended job out of the list; its folder stays. Raises MeshwrightError while it goes on."""
    _running_queue().remove(name)


def free_memory() -> None:
    """Have the worker unload every model that no job uses."""
    _running_queue().free_memory()


def end_worker() -> None:
    """End the worker, within two seconds, so that its files can be changed. Raises MeshwrightError while jobs go on."""
    _running_queue().end_worker()


def jobs() -> list[Job]:
    """All jobs of this session, the oldest first."""
    return _running_queue().jobs()


def find(name: str) -> Job | None:
    """The job of that name, or None."""
    return _running_queue().find(name)


def process() -> int:
    """The running worker's process, 0 when none runs."""
    return _running_queue().process


def device() -> str:
    """The running worker's device in words, "" when none runs."""
    return _running_queue().device


def poll_once() -> float | None:
    """Move everything on by one step of a few milliseconds, a delivery apart.

    Returns the seconds until the next step, None when nothing is left to watch.
    """
    before = sum(job.ended for job in jobs())
    delay = _running_queue().poll_once()
    if _ended is not None and sum(job.ended for job in jobs()) > before:
        _ended()
    if _show is not None:
        _show(jobs())
    _redraw_if_changed(at_once=delay is None)
    return delay


def wait(name: str, timeout: float) -> Job:
    """For scripts without a window: poll until the job has ended.

    Raises TimeoutError after `timeout` seconds, and MeshwrightError when the queue is paused before the job started.
    """
    end = time.monotonic() + timeout
    while (job := find(name)) is not None and not job.ended:
        if time.monotonic() > end:
            raise TimeoutError(f"Job {name} has not ended after {timeout:g} seconds: {job.stage}")
        if (reason := paused()) is not None and job.state is JobState.QUEUED:
            raise MeshwrightError(reason.what, reason.why, reason.advice, reason.remedy, reason.details)
        time.sleep(min(poll_once() or 0.0, 0.02))
    if job is None:
        raise KeyError(name)
    return job


def _running_queue() -> JobQueue:
    if _queue is None:
        raise RuntimeError("The job queue is not registered")
    return _queue


def _watched(job: Job) -> Job:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)
    return job


def _tick() -> float | None:
    try:
        return poll_once()
    except Exception:  # it would end the timer, and with it every job; the next tick goes on
        log.exception("A step of the job queue failed")
        return IDLE_SECONDS


@bpy.app.handlers.persistent
def _after_load(_file: object) -> None:
    """Jobs outlive the file that they were started in: watch on, and deliver what waited for this file."""
    _running_queue().deliver_waiting()
    for job in jobs():
        if not job.ended:
            _watched(job)


def _redraw_if_changed(at_once: bool) -> None:
    """Have the 3D viewports show the jobs' new state, at most five times a second."""
    global _drawn, _drawn_at
    state = (paused(), *((job.id, job.state, job.stage, round(job.fraction, 3), job.delivered, job.silent)
                         for job in jobs()))
    if state == _drawn or (not at_once and time.monotonic() - _drawn_at < REDRAW_SECONDS):
        return
    _drawn, _drawn_at = state, time.monotonic()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
