# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a worker says, or cannot say any more: the job's folder decides. And the queue is on the disk too."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract import TERMINAL_EVENTS, CancelledEvent, Done, Failed, JobFolder
from blender_addon import history
from blender_addon.jobs import Job, JobState, pulse
from blender_addon.jobs.queue import JobQueue
from blender_addon.jobs.supervisor import Supervisor
from blender_addon.jobs.waiting_list import FOLDER, WaitingList

from .jobs_at_work import HASTY, Delivery, fake_worker, new_job, until
from .synthetic_jobs import finished_job
from .test_jobs import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, HASTY)
    bench.settings = fake_worker("beating")
    yield bench
    bench.queue.shutdown()


def ends(job: Job) -> list[type]:
    """The kinds of the terminal events that the job's folder keeps."""
    return [type(event) for event in job.folder.events() if isinstance(event, TERMINAL_EVENTS)]


@pytest.mark.parametrize("how", ["mute", "liar", "contrary"])
def test_a_finished_job_is_finished_whatever_was_said(bench: Bench, how: str) -> None:
    job = bench.run(how)
    assert (job.state, job.delivered, job.error) == (JobState.DONE, True, None)
    assert ends(job) == [Done]
    assert bench.delivery.delivered == [job.id]


def test_an_end_that_was_lost_on_the_way_is_read_from_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PING_SECONDS", 0.2)
    job = bench.run("forgetful")
    assert (job.state, job.delivered, ends(job)) == (JobState.DONE, True, [Done])


def test_done_without_a_result_is_no_success(bench: Bench) -> None:
    job = bench.run("boaster")
    assert job.state is JobState.FAILED and "result.json" in job.error.why
    assert ends(job) == [Failed] and job.folder.read_error() == job.error


def test_a_cancelled_job_that_finished_first_is_kept_and_can_be_delivered(bench: Bench) -> None:
    job = bench.submit("endless")
    bench.until(lambda: job.state is JobState.RUNNING)
    bench.queue.cancel(job.id)
    bench.until(lambda: job.ended)
    assert (job.state, ends(job)) == (JobState.CANCELLED, [CancelledEvent])


def test_a_job_shown_as_failed_is_restored_when_its_result_is_there(bench: Bench) -> None:
    job = bench.run("dies")
    assert job.state is JobState.FAILED
    (job.folder.path / "result.json").write_bytes(
        finished_job(bench.folder / "other").path.joinpath("result.json").read_bytes())
    bench.queue.restore(job.folder)
    bench.until(lambda: job.delivered)
    assert job.error is None


def test_undelivered_results_are_found_however_old(tmp_path: Path) -> None:
    oldest = finished_job(tmp_path / "oldest")
    os.utime(oldest.path / "request.json", (1, 1))
    for number in range(60):
        folder = finished_job(tmp_path / f"delivered-{number}")
        folder.write_note("delivered.json", {"at": 1.0})
    (finished_job(tmp_path / "damaged").path / "result.json").write_text("{")
    assert [entry.folder.path.name for entry in history.undelivered(tmp_path)] == ["oldest"]


# ----------------------------------------------------------------------------------------------------------- silence

@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PING_SECONDS", 0.2)
    monkeypatch.setattr(pulse, "SILENCE_SECONDS", 0.4)


def test_a_frozen_worker_is_reported_and_what_thaws_goes_on(bench: Bench, impatient: None) -> None:
    job = bench.submit("freezes")
    bench.until(lambda: job.silent, 10)
    assert not job.ended
    os.kill(bench.process, signal.SIGCONT)
    bench.until(lambda: job.ended)
    assert job.delivered and len(bench.started) == 1


@pytest.mark.parametrize("how", ["freezes", "closes"])
def test_a_restart_runs_the_job_again(bench: Bench, impatient: None, how: str) -> None:
    job, waiting = bench.submit(how), bench.submit()
    bench.until(lambda: job.silent, 10)
    bench.queue.restart_worker()
    assert (job.state, job.silent) == (JobState.QUEUED, False)
    bench.until(lambda: job.silent, 10)
    bench.queue.cancel(job.id)
    bench.until(lambda: waiting.ended)
    assert job.state is JobState.CANCELLED and waiting.delivered, "no such restart is a crash to worry about"


def test_silence_is_reported_within_ten_seconds_of_listening() -> None:
    now, sent = [0.0], []
    beat = pulse.Pulse(lambda: now[0])
    for _ in range(60):
        now[0] += 1.0
        beat.step(sent.append)
        if beat.silent:
            break
    assert now[0] <= 10 and len(sent) == 1
    beat = pulse.Pulse(lambda: now[0])
    now[0] += 3.0
    beat.step(sent.append)
    now[0] += 600.0  # a long render, in which Blender did not listen
    beat.step(sent.append)
    assert not beat.silent


# ------------------------------------------------------------------------------------------------- the queue on disk

def desk(jobs_folder: Path) -> JobQueue:
    """The queue of one session of Blender."""
    delivery = Delivery()
    queue = JobQueue(delivery.deliver, delivery.blocked, lambda: fake_worker(), HASTY, Supervisor(HASTY),
                     WaitingList(jobs_folder))
    queue.take_over()
    return queue


def test_the_queue_comes_back_after_a_restart_paused_and_in_order(tmp_path: Path) -> None:
    first = desk(tmp_path)
    names = [first.submit(*new_job(tmp_path, subject)).id for subject in ("chair", "endless", "table", "lamp")]
    until(lambda: first.find(names[1]).state is JobState.RUNNING, first.poll_once)
    first.cancel(names[3])
    first.shutdown()  # the same as a crash, but for the lock's moment
    second = desk(tmp_path)
    assert [job.id for job in second.jobs()] == names[1:3], "neither what finished nor what was cancelled"
    assert second.pause is not None and second.pause.what == "2 jobs are left from an earlier session."
    assert second.poll_once() is None, "nothing runs by itself"
    second.cancel(names[1])
    second.resume()
    until(lambda: all(job.ended for job in second.jobs()), second.poll_once)
    assert second.find(names[2]).delivered
    second.shutdown()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_job_that_was_interrupted_has_one_end_in_its_folder(tmp_path: Path) -> None:
    first = desk(tmp_path)
    job = first.submit(*new_job(tmp_path, "endless"))
    until(lambda: job.state is JobState.RUNNING, first.poll_once)
    job.folder.append_event(CancelledEvent(job.id))  # as a worker does that is ended with Blender
    first.shutdown()
    second = desk(tmp_path)
    assert [job.id for job in second.jobs()] == [job.id]
    second.shutdown()


def test_two_blenders_leave_each_other_alone(tmp_path: Path) -> None:
    first = desk(tmp_path)
    mine = first.submit(*new_job(tmp_path))
    second = desk(tmp_path)
    assert second.jobs() == [] and second.pause is None
    other = second.submit(*new_job(tmp_path))
    until(lambda: mine.ended and other.ended, lambda: (first.poll_once(), second.poll_once()))
    assert mine.delivered and other.delivered
    first.shutdown(), second.shutdown()


def test_a_finished_job_does_not_come_back(tmp_path: Path) -> None:
    first = desk(tmp_path)
    folder: JobFolder = first.submit(*new_job(tmp_path)).folder
    first._waiting._lock.close()  # Blender crashed, and its worker finished
    (folder.path / "result.json").write_text('{"artifacts": []}')
    second = desk(tmp_path)
    assert second.jobs() == [] and second.pause is None
    second.shutdown()
