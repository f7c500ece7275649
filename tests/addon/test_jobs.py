# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: what happens to jobs whose worker is slow, mute, stubborn or dead, and to their delivery."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import pytest

from backend.contract import BadInput, FreeMemory, MeshwrightError, Remedy
from blender_addon import jobs
from blender_addon.connection import Connection, WorkerSettings, connect
from blender_addon.jobs import Job, JobState, Limits, engine
from blender_addon.jobs.queue import ACTIVE_SECONDS, DELIVERED_NOTE, IDLE_SECONDS, JobQueue
from blender_addon.jobs.supervisor import Supervisor

from .jobs_at_work import HASTY, WAIT, Delivery, fake_worker, new_job, until


class Bench:
    """A queue with the fake worker, whose settings can be changed, and a delivery that takes notes."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.delivery, self.settings = folder, Delivery(), fake_worker()
        self.started: list[WorkerSettings] = []
        self.supervisor = Supervisor(limits, self._connect)
        self.queue = JobQueue(self.delivery.deliver, self.delivery.blocked, lambda: self.settings, limits,
                              self.supervisor)

    def _connect(self, settings: WorkerSettings) -> Connection:
        self.started.append(settings)
        return connect(settings)

    def submit(self, subject: str = "chair") -> Job:
        return self.queue.submit(*new_job(self.folder, subject))

    def until(self, condition: Callable[[], object], seconds: float = WAIT) -> float:
        return until(condition, self.queue.poll_once, seconds)

    def run(self, subject: str = "chair") -> Job:
        job = self.submit(subject)
        self.until(lambda: job.ended)
        return job

    @property
    def process(self) -> int:
        return self.supervisor._connection.process_id


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, HASTY)
    yield bench
    bench.queue.shutdown()


# ------------------------------------------------------------------------------------------------------ the way

def test_a_job_ends_delivered(bench: Bench) -> None:
    job = bench.submit()
    assert (job.state, bench.started) == (JobState.QUEUED, []), "submitting starts nothing: the timer does"
    assert bench.queue.poll_once() == ACTIVE_SECONDS
    assert job.stage == "Starting the engine"
    bench.until(lambda: job.ended)
    assert (job.state, job.fraction, job.delivered, job.error) == (JobState.DONE, 1.0, True, None)
    assert job.notes == ["a remark", "delivered with a remark"]
    assert bench.delivery.delivered == [job.id]
    assert (job.folder.path / DELIVERED_NOTE).is_file()
    assert bench.queue.poll_once() == IDLE_SECONDS, "the worker is still there and is looked after"
    assert bench.queue.device == "normal"


def test_jobs_run_in_order_on_one_worker(bench: Bench) -> None:
    listed = [bench.submit() for _ in range(3)]
    bench.until(lambda: all(job.ended for job in listed))
    assert bench.delivery.delivered == [job.id for job in listed]
    assert len(bench.started) == 1


def test_stages_are_told_in_the_artists_words(bench: Bench) -> None:
    job = bench.submit("endless")
    job.request = replace(job.request, pipeline="partpacker", task="generate_parts")
    bench.until(lambda: job.state is JobState.RUNNING)
    assert job.stage.endswith(" 1/4") and not job.stage.startswith("sample")
    assert (job.fraction, job.seconds_left) == (0.25, 1.0)


def test_a_result_without_files_needs_no_delivery(bench: Bench) -> None:
    job = bench.run("nothing")
    assert (job.state, job.delivered, bench.delivery.delivered) == (JobState.DONE, True, [])
    with pytest.raises(MeshwrightError, match="nothing to deliver"):
        bench.queue.deliver_again(job.id)


def test_nothing_is_watched_when_nothing_is_left(bench: Bench) -> None:
    assert bench.queue.poll_once() is None
    bench.run()
    bench.supervisor.retire()
    bench.until(lambda: bench.queue.poll_once() is None, 3)


def test_an_ended_job_is_removed_and_its_folder_stays(bench: Bench) -> None:
    job = bench.submit()
    with pytest.raises(MeshwrightError, match="Cancel it first"):
        bench.queue.remove(job.id)
    bench.until(lambda: job.ended)
    bench.queue.remove(job.id)
    assert bench.queue.jobs() == [] and job.folder.path.is_dir()
    with pytest.raises(MeshwrightError, match="not in the list"):
        bench.queue.cancel(job.id)


# --------------------------------------------------------------------------------------------------------- delivery

def test_delivery_waits_for_the_artist_and_says_for_what(bench: Bench) -> None:
    bench.delivery.waiting_for = "Waiting for Object Mode"
    job = bench.submit()
    bench.until(lambda: job.stage == "Waiting for Object Mode")
    assert job.state is JobState.DELIVERING
    second = bench.submit("nothing")
    bench.until(lambda: second.ended)
    assert bench.delivery.delivered == [], "the worker goes on meanwhile, the scene is left alone"
    bench.delivery.waiting_for = ""
    bench.until(lambda: job.delivered)


@pytest.mark.parametrize("failure", [BadInput("The target has gone.", "", ""), RuntimeError("context is incorrect")])
def test_a_failed_delivery_fails_alone_and_can_be_repeated(bench: Bench, failure: Exception) -> None:
    bench.delivery.failure = failure
    job = bench.run()
    assert (job.state, job.delivered) == (JobState.DONE, False)
    assert job.error is not None and str(failure).strip() in str(job.error)
    assert not (job.folder.path / DELIVERED_NOTE).exists()
    bench.delivery.failure = None
    other = bench.run()
    bench.queue.deliver_again(job.id)
    bench.until(lambda: job.ended)
    assert (job.delivered, job.error) == (True, None)
    assert bench.delivery.delivered == [other.id, job.id]


# -------------------------------------------------------------------------------------------------- cancel

def test_cancelling_a_running_job_keeps_the_worker(bench: Bench) -> None:
    job = bench.submit("endless")
    bench.until(lambda: job.state is JobState.RUNNING)
    before = bench.process
    bench.queue.cancel(job.id)
    assert (job.cancelling, job.stage) == (True, "Cancelling")
    assert bench.until(lambda: job.ended) < 1
    assert job.state is JobState.CANCELLED
    assert bench.run().state is JobState.DONE
    assert bench.process == before


def test_cancelling_a_waiting_job_asks_nobody(bench: Bench) -> None:
    first, second = bench.submit("endless"), bench.submit()
    bench.until(lambda: first.state is JobState.RUNNING)
    bench.queue.cancel(second.id)
    assert second.state is JobState.CANCELLED
    assert [type(event).__name__ for event in second.folder.events()] == ["CancelledEvent"]
    bench.queue.cancel(first.id)
    bench.until(lambda: first.ended)
    assert bench.delivery.delivered == []


def test_cancelling_while_the_worker_starts(bench: Bench) -> None:
    job = bench.submit()
    bench.queue.poll_once()
    bench.queue.cancel(job.id)
    assert job.state is JobState.CANCELLED
    assert bench.run().state is JobState.DONE
    assert len(bench.started) == 1, "the worker that was starting is used"


def test_a_worker_that_takes_no_cancel_is_killed_and_replaced(bench: Bench) -> None:
    job, waiting = bench.submit("stubborn"), bench.submit()
    bench.until(lambda: job.state is JobState.RUNNING)
    bench.queue.cancel(job.id)
    seconds = bench.until(lambda: job.ended)
    assert HASTY.cancel + HASTY.terminate < seconds < 2
    assert (job.state, job.error) == (JobState.CANCELLED, None)
    bench.until(lambda: waiting.ended)
    assert waiting.state is JobState.DONE and len(bench.started) == 2


def test_kills_by_order_do_not_open_the_circuit(bench: Bench) -> None:
    *stubborn, last = [bench.submit("stubborn") for _ in range(HASTY.deaths)] + [bench.submit()]
    for job in stubborn:
        bench.until(lambda job=job: job.state is JobState.RUNNING)
        bench.queue.cancel(job.id)
    bench.until(lambda: last.ended)
    assert last.state is JobState.DONE


# ---------------------------------------------------------------------------------------------- workers that fail

def test_a_worker_that_dies_takes_one_job_with_it(bench: Bench) -> None:
    job, waiting = bench.submit("dies"), bench.submit()
    bench.until(lambda: job.ended and waiting.ended)
    assert (job.state, waiting.state) == (JobState.FAILED, JobState.DONE)
    assert job.error.remedy is Remedy.RETRY
    assert job.error.why == "The system ended it (SIGKILL), most likely because the memory was full."
    assert f"at work on {job.id}" in job.error.details, "what it logged is behind the log's button only"
    assert job.folder.read_error() == job.error
    assert f"at work on {job.id}" in job.folder.log.read_text()
    assert len(bench.started) == 2


def test_a_worker_that_never_answers_is_given_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(HASTY, start=0.5))
    bench.settings = fake_worker("silent")
    job = bench.submit()
    bench.queue.poll_once()
    process = bench.process
    assert 0.4 < bench.until(lambda: bench.queue.pause, 5) < 2
    assert bench.queue.pause.what == "The engine did not answer within 0.5 seconds."
    assert job.state is JobState.QUEUED
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    bench.queue.shutdown()


def test_a_worker_that_cannot_start_says_why(bench: Bench) -> None:
    bench.settings = fake_worker("broken")
    job = bench.submit()
    bench.until(lambda: bench.queue.pause)
    assert bench.queue.pause.what == "The engine could not start."
    assert bench.queue.pause.why == "A library of the engine is missing: torch."
    assert bench.queue.pause.remedy is Remedy.OPEN_PREFERENCES
    assert job.state is JobState.QUEUED, "it is not the job's fault"


def test_after_repeated_crashes_the_queue_pauses_and_keeps_its_jobs(bench: Bench) -> None:
    crashing, kept = [bench.submit("dies") for _ in range(3)], [bench.submit() for _ in range(7)]
    bench.until(lambda: bench.queue.pause)
    assert bench.queue.poll_once() in (None, IDLE_SECONDS), "nothing to hurry for"
    assert len(bench.started) == HASTY.deaths, "no fourth start"
    assert {job.state for job in crashing} == {JobState.FAILED}
    assert {job.state for job in kept} == {JobState.QUEUED}
    assert bench.queue.pause.what == "The engine keeps crashing."
    assert "3 times within 60 seconds" in bench.queue.pause.why
    bench.queue.resume()
    bench.until(lambda: all(job.ended for job in kept))
    assert {job.state for job in kept} == {JobState.DONE} and len(bench.started) == HASTY.deaths + 1


def test_an_engine_that_cannot_start_costs_no_job(bench: Bench) -> None:
    bench.settings = fake_worker("broken")
    listed = [bench.submit() for _ in range(3)]
    bench.until(lambda: bench.queue.pause)
    bench.settings = fake_worker()
    bench.queue.resume()
    bench.until(lambda: all(job.ended for job in listed))
    assert bench.delivery.delivered == [job.id for job in listed]


def test_old_deaths_are_forgotten() -> None:
    supervisor = Supervisor(replace(HASTY, death_window=1.0))
    for _ in range(HASTY.deaths):
        supervisor.ready(fake_worker("broken"))
        with pytest.raises(MeshwrightError, match="could not start"):
            until(lambda: False, supervisor.poll, 5)
    with pytest.raises(MeshwrightError, match="keeps crashing"):
        supervisor.ready(fake_worker("broken"))
    time.sleep(1.0)
    assert not supervisor.ready(fake_worker("broken")), "it starts"
    supervisor.shutdown()


def test_a_worker_of_another_version_is_refused(bench: Bench) -> None:
    bench.settings = fake_worker("old")
    bench.submit()
    bench.until(lambda: bench.queue.pause)
    assert "version 99 of the protocol" in bench.queue.pause.why
    assert bench.queue.pause.remedy is Remedy.OPEN_PREFERENCES


def test_without_a_runtime_the_queue_says_what_to_do_and_waits(bench: Bench) -> None:
    bench.settings = None
    job = bench.submit()
    assert bench.queue.poll_once() is None
    assert bench.queue.pause.remedy is Remedy.OPEN_PREFERENCES
    bench.settings = fake_worker()
    bench.queue.resume()
    bench.until(lambda: job.delivered)


def test_an_idle_worker_that_dies_is_replaced_by_the_next_job(bench: Bench) -> None:
    bench.run()
    os.kill(bench.process, signal.SIGKILL)
    bench.until(lambda: bench.queue.poll_once() is None, 5)
    assert bench.run().state is JobState.DONE
    assert len(bench.started) == 2


def test_other_preferences_mean_another_worker(bench: Bench) -> None:
    bench.run()
    first = bench.process
    bench.settings = fake_worker("cuda:1")
    assert bench.run().state is JobState.DONE
    assert [settings.device for settings in bench.started] == ["normal", "cuda:1"]
    assert bench.process != first
    bench.until(lambda: not bench.supervisor._leaving, 3)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_freeing_memory_reaches_the_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.queue.free_memory()  # nobody to tell
    bench.run()
    sent: list[object] = []
    monkeypatch.setattr(bench.supervisor._connection, "send", sent.append)
    bench.queue.free_memory()
    assert sent == [FreeMemory()]


# ------------------------------------------------------------------------------------------------- inside Blender

class Timers:
    """`bpy.app.timers` where no event loop calls them: `fire` does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.functions: dict[Callable[[], float | None], bool] = {}
        self.registrations = 0
        for name in ("register", "unregister", "is_registered"):
            monkeypatch.setattr(bpy.app.timers, name, getattr(self, name))

    def register(self, function: Callable[[], float | None], first_interval: float = 0,
                 persistent: bool = False) -> None:
        self.registrations += 1
        self.functions[function] = persistent

    def unregister(self, function: Callable[[], float | None]) -> None:
        del self.functions[function]

    def is_registered(self, function: Callable[[], float | None]) -> bool:
        return function in self.functions

    def fire(self) -> None:
        """Call each once; one that returns None is done."""
        self.functions = {function: persistent for function, persistent in self.functions.items()
                          if function() is not None}


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Delivery, Timers]]:
    delivery, timers = Delivery(), Timers(monkeypatch)
    jobs.register(delivery.deliver, delivery.blocked, fake_worker, HASTY)
    yield delivery, timers
    jobs.unregister()
    assert timers.functions == {}
    assert engine._after_load not in bpy.app.handlers.load_post


def test_one_persistent_timer_for_all_jobs(registered: tuple[Delivery, Timers], tmp_path: Path) -> None:
    delivery, timers = registered
    assert timers.functions == {}, "nothing to watch yet"
    listed = [jobs.submit(*new_job(tmp_path)) for _ in range(2)]
    assert timers.registrations == 1 and list(timers.functions.values()) == [True]
    until(lambda: all(job.ended for job in listed), timers.fire)
    assert delivery.delivered == [job.id for job in listed] == [job.id for job in jobs.jobs()]
    assert timers.functions, "the idle worker is watched"
    engine._queue._supervisor.retire()
    until(lambda: not timers.functions, timers.fire, 3)
    third = jobs.submit(*new_job(tmp_path))
    until(lambda: third.ended, timers.fire)
    assert timers.registrations == 2


def test_a_step_that_fails_does_not_end_the_timer(registered: tuple[Delivery, Timers], tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    _, timers = registered
    job = jobs.submit(*new_job(tmp_path))
    with monkeypatch.context() as broken:
        broken.setattr(engine._queue, "_deliver_one", lambda: 1 / 0)
        timers.fire()
    until(lambda: job.ended, timers.fire)
    assert job.delivered


def test_loading_a_file_keeps_the_queue_going(registered: tuple[Delivery, Timers], tmp_path: Path) -> None:
    delivery, timers = registered
    job, waiting = jobs.submit(*new_job(tmp_path, "endless")), jobs.submit(*new_job(tmp_path))
    until(lambda: job.state is JobState.RUNNING, timers.fire)
    timers.functions.clear()
    bpy.ops.wm.read_homefile(use_empty=True)
    assert timers.functions, "the handler has seen to it that the jobs are watched"
    jobs.cancel(job.id)
    until(lambda: waiting.ended, timers.fire)
    assert delivery.delivered == [waiting.id]


def test_scripts_wait_for_a_job(registered: tuple[Delivery, Timers], tmp_path: Path) -> None:
    job = jobs.submit(*new_job(tmp_path))
    assert jobs.wait(job.id, WAIT) is job and job.delivered
    endless = jobs.submit(*new_job(tmp_path, "endless"))
    with pytest.raises(TimeoutError, match="has not ended"):
        jobs.wait(endless.id, 0.1)
    assert jobs.find("unknown") is None


def test_unregistering_ends_the_worker_within_two_seconds(registered: tuple[Delivery, Timers], tmp_path: Path) -> None:
    delivery, _ = registered
    job = jobs.submit(*new_job(tmp_path, "stubborn"))
    until(lambda: job.state is JobState.RUNNING, jobs.poll_once)
    process = engine._queue._supervisor._connection.process_id
    begin = time.monotonic()
    jobs.unregister()
    assert time.monotonic() - begin < 2.5
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    jobs.register(delivery.deliver, delivery.blocked, fake_worker, HASTY)
