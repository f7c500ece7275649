# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers and Blenders killed at random moments: no finished result is lost, none is misreported."""

import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from backend.contract import Loading, StageProgress

from .scale import WHOLE, report, times

SEED = 16


def wait_for_moment(blender: Any, job: Any, seconds: float, at_the_end: bool) -> None:
    """Until a random moment of the job's run, or, without listening, until just after its result appeared."""
    from .desk import dice

    blender.until(lambda: blender.runs(job))
    end = time.monotonic() + dice.uniform(0, seconds)
    if not at_the_end:
        blender.until(lambda: job.ended or time.monotonic() > end)
        return
    while not (job.folder.path / "result.json").exists() and time.monotonic() < end + 30:
        time.sleep(0.0005)
    time.sleep(dice.uniform(0, 0.004))


@pytest.mark.timeout(1800)
def test_no_kill_of_a_worker_loses_or_misreports_a_result(blender: Any) -> None:
    from .desk import FASTEST, check_end, dice

    dice.seed(SEED)
    blender.resumes = True
    tasks, kills = tuple(FASTEST) if WHOLE else ("walk",), times(24, 200)
    typical, after_result, cut_off = dict.fromkeys(tasks, 0.1), 0, 0
    for task in tasks:  # how long each takes here, model loaded
        for _ in range(2):
            job = blender.submit(task, **({} if WHOLE else {"pause": 0.01}))
            typical[task] = blender.until(lambda job=job: job.ended)
    for number in range(kills):
        job = blender.submit(tasks[number % len(tasks)], **({} if WHOLE else {"pause": 0.01}))
        at_the_end = number % 2 == 1
        wait_for_moment(blender, job, typical[tasks[number % len(tasks)]], at_the_end)
        unheard = not job.ended
        blender.kill_worker()
        blender.until(lambda job=job: job.ended)
        finished = check_end(job)
        after_result += finished and unheard
        cut_off += not finished
        assert blender.delivered.count(job.id) == finished
        assert finished or "SIGKILL" in job.error.why
    report(f"{kills} kills of the worker over {', '.join(tasks)}: {after_result} between the result and the parent's "
           f"reading, {cut_off} in mid-job, 0 finished results lost or misreported")
    assert after_result > kills // 10 and cut_off > kills // 10, "the moments were spread"


def session(jobs_folder: Path, said: int) -> None:
    """One Blender that will be killed: three jobs, then listening for ever."""
    from .desk import Desk, real_worker

    desk = Desk(jobs_folder, real_worker(jobs_folder))
    desk.queue.resume()
    worker = 0
    for _ in range(3):
        job = desk.submit(steps=20, pause=0.005)
        os.write(said, json.dumps({"job": job.id}).encode() + b"\n")
    while True:
        desk.queue.poll_once()
        connection = desk.supervisor._connection
        if connection is not None and connection.process_id != worker:
            worker = connection.process_id
            os.write(said, json.dumps({"worker": worker}).encode() + b"\n")
        time.sleep(0.002)


@pytest.mark.timeout(900)
def test_no_kill_of_a_blender_loses_a_job(imported: None, tmp_path: Path) -> None:
    from .desk import Desk, Forked, check_end, dice, real_worker, runs

    dice.seed(SEED)
    kills, seconds_to_die, restored, finished_already = times(5, 50), [], 0, 0
    for _ in range(kills):
        parent = Forked(lambda: session(tmp_path, 1))
        time.sleep(dice.uniform(0.05, 1.5))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(5)
        begin = time.monotonic()
        said = [json.loads(line) for line in parent.stdout.read().splitlines() if line.endswith(b"}")]
        workers = [item["worker"] for item in said if "worker" in item]
        while any(map(runs, workers)):
            assert time.monotonic() - begin < 5, "a worker outlived its Blender"
            time.sleep(0.002)
        seconds_to_die.append(time.monotonic() - begin)
        for stream in (parent.stdin, parent.stdout, parent.stderr):
            stream.close()
        again = Desk(tmp_path, real_worker(tmp_path))
        waiting = {job.id: job for job in again.queue.jobs()}
        for name in (item["job"] for item in said if "job" in item):
            result = (tmp_path / name / "result.json").exists()
            assert result != (name in waiting), f"{name}: result {result}, in the queue {name in waiting}"
            finished_already += result
        restored += len(waiting)
        assert (again.queue.pause is not None) == bool(waiting)
        again.queue.resume()
        again.until(lambda again=again: all(job.ended for job in again.queue.jobs()))
        assert all(check_end(job) for job in again.queue.jobs())
        again.queue.shutdown()
    report(f"{kills} kills of Blender: {restored} jobs came back and ran, {finished_already} had finished, 0 lost; "
           f"the worker was gone after {1000 * statistics.median(seconds_to_die):.0f} ms, at most "
           f"{1000 * max(seconds_to_die):.0f} ms")


@pytest.mark.timeout(900)
def test_cancel_answers_in_every_stage(blender: Any) -> None:
    from .desk import FASTEST, JobState, check_end, dice

    dice.seed(SEED)
    tasks, cancels = (*FASTEST, "walk") if WHOLE else ("walk",), times(12, 90)
    seconds, stages = [], set()
    for number in range(cancels):
        task = tasks[number % len(tasks)]
        job = blender.submit(task, **({"steps": 200, "pause": 0.02} if task == "walk" else {}))
        blender.until(lambda job=job: blender.runs(job))
        end = time.monotonic() + dice.uniform(0, 0.6 if task == "walk" else 0.1)
        blender.until(lambda job=job, end=end: job.ended or time.monotonic() > end)
        if job.ended:
            continue
        stages.add(f"{task}: {str(job.stage).split(' ')[0]}")
        blender.queue.cancel(job.id)
        seconds.append(blender.until(lambda job=job: job.ended))
        if job.state is JobState.CANCELLED and job.folder.read_result() is None:
            check_end(job)
    p95 = sorted(seconds)[int(0.95 * (len(seconds) - 1))]
    report(f"{len(seconds)} cancels in {', '.join(sorted(stages))}: median {1000 * statistics.median(seconds):.0f} ms, "
           f"p95 {1000 * p95:.0f} ms, at most {1000 * max(seconds):.0f} ms")
    assert len(seconds) > cancels // 4 and p95 < 0.5


@pytest.mark.timeout(600)
def test_two_blenders_at_once(imported: None, tmp_path: Path) -> None:
    from .desk import Desk, check_end, real_worker

    desks = [Desk(tmp_path, real_worker(tmp_path)) for _ in range(2)]
    jobs = [desk.submit(steps=3) for _ in range(times(3, 20)) for desk in desks]
    first = desks[0]
    first.until(lambda: all(job.ended for job in jobs) or desks[1].queue.poll_once() == -1)
    assert all(check_end(job) for job in jobs)
    assert sorted(desks[0].delivered + desks[1].delivered) == sorted(job.id for job in jobs), "each once"
    assert {job.id for job in desks[0].queue.jobs()} == set(desks[0].delivered)
    for desk in desks:
        desk.queue.shutdown()
    report(f"two Blenders at once: {len(jobs)} jobs, each delivered once, by its own")


@pytest.mark.timeout(600)
def test_many_jobs_in_a_row_do_not_grow(blender: Any) -> None:
    def size() -> tuple[int, int, int, int]:
        """The worker's memory in KiB, its threads, its descriptors, ours."""
        lines = Path(f"/proc/{blender.worker}/status").read_text("utf-8").splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return (int(status["VmRSS"].split()[0]), int(status["Threads"]),
                len([*Path(f"/proc/{blender.worker}/fd").iterdir()]), len([*Path("/proc/self/fd").iterdir()]))

    def run(count: int) -> None:
        for _ in range(count):
            job = blender.submit(steps=3)
            blender.until(lambda job=job: job.ended)

    count = times(20, 100)
    run(10)
    before = size()
    run(count)
    after = size()
    report(f"{count} jobs in a row: {(after[0] - before[0]) / 1024:+.1f} MiB, {after[1] - before[1]:+d} threads, "
           f"{after[2] - before[2]:+d} descriptors in the worker, {after[3] - before[3]:+d} in Blender")
    assert after[0] - before[0] < 16 * 1024 and after[1:] == before[1:]


@pytest.mark.skipif(not WHOLE, reason="ten seconds of silence: by `python dev.py soak`")
@pytest.mark.parametrize("how", ["frozen", "busy"])
def test_silence_is_reported_within_ten_seconds_and_a_busy_worker_is_not_silent(blender: Any, how: str) -> None:
    job = blender.submit(fault="stuck" if how == "busy" else "", steps=1000, pause=0.1)
    blender.until(lambda: any(isinstance(event, (StageProgress, Loading)) for event in job.folder.events()))
    if how == "busy":
        end = time.monotonic() + 12
        blender.until(lambda: time.monotonic() > end, pause=0.1)
        assert not job.silent, "its heart beats"
        blender.supervisor.kill()
        return
    os.kill(blender.worker, signal.SIGSTOP)
    seconds = blender.until(lambda: job.silent, pause=0.1)
    report(f"a frozen worker was reported after {seconds:.1f} s")
    assert seconds < 10
    os.kill(blender.worker, signal.SIGCONT)
    blender.until(lambda: not job.silent)
    blender.queue.cancel(job.id)
    blender.until(lambda: job.ended)
