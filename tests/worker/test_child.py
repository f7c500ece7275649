# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as a child process: its protocol, cancelling, its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.contract import (
    TERMINAL_EVENTS,
    VERSION,
    Cancel,
    CancelledEvent,
    Done,
    Failed,
    FreeMemory,
    Loading,
    MeshData,
    Queued,
    Shutdown,
    StageProgress,
    Submit,
)
from tests.worker.conftest import REPOSITORY, events_of


def in_stage(name):
    return lambda event: isinstance(event, StageProgress) and event.stage == name


def test_greets_with_its_device(child):
    assert child.ready.device.startswith("cpu · ")
    assert child.ready.process == child.process.pid
    assert child.ready.version == VERSION


def test_runs_a_job_and_leaves_everything_in_its_folder(child, make_job):
    folder = make_job(steps=3)
    events = child.run(folder)
    assert isinstance(events[0], Queued)
    assert isinstance(events[-1], Done)
    assert folder.read_result() == events[-1].result
    assert list(folder.events()) == events
    assert "walk by practice" in folder.log.read_text()
    assert set(events[-1].result.seconds) >= {"sample", "decode"}


def test_a_library_that_prints_does_not_break_the_protocol(child, make_job):
    events = child.run(make_job(fault="print"))
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize("stage", ["sample", "decode"])
def test_cancel_in_a_stage_is_quick_and_keeps_the_model(child, make_job, stage):
    child.run(make_job(steps=1))
    job = child.submit(make_job(steps=1 if stage == "decode" else 1000, pause=0.2))
    child.until(in_stage(stage), job)
    seconds, event = child.cancel_and_time(job)
    assert isinstance(event, CancelledEvent)
    assert seconds < 1
    after = child.run(make_job(steps=1))
    assert isinstance(after[-1], Done)
    assert not events_of(after, Loading)


def test_cancel_while_loading_is_quick(child, make_job):
    job = child.submit(make_job(weights="other"))
    child.until(lambda event: isinstance(event, Loading) and event.what == "tensor 3", job)
    seconds, event = child.cancel_and_time(job)
    assert isinstance(event, CancelledEvent)
    assert seconds < 1


def test_jobs_run_in_order_and_a_queued_one_can_be_cancelled(child, make_job):
    jobs = [child.submit(make_job(steps=10, pause=0.05)) for _ in range(3)]
    child.send(Cancel(jobs[1]))
    ended = [event for event in child.until(TERMINAL_EVENTS, jobs[2]) if isinstance(event, TERMINAL_EVENTS)]
    assert [(type(event), event.job) for event in ended] == [
        (CancelledEvent, jobs[1]), (Done, jobs[0]), (Done, jobs[2])]


def test_free_memory_unloads(child, make_job):
    child.run(make_job(steps=1))
    child.send(FreeMemory())
    assert events_of(child.run(make_job(steps=1)), Loading)


def test_lines_that_are_no_messages_are_passed_over(child, make_job):
    child.process.stdin.write(b'not json\n[1]\n{"message": "dance"}\n{"message": "submit"}\n\xff\n')
    assert isinstance(child.run(make_job(steps=1))[-1], Done)


def test_a_missing_folder_fails_the_job(child, tmp_path):
    child.send(Submit("lost", str(tmp_path / "nowhere")))
    event = child.until(TERMINAL_EVENTS, "lost")[-1]
    assert isinstance(event, Failed)
    assert "folder no longer exists" in event.error.what


def test_nothing_is_written_into_a_folder_that_is_no_jobs(child, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    child.send(Submit("lost", str(tmp_path)))
    assert isinstance(child.until(TERMINAL_EVENTS, "lost")[-1], Failed)
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".txt", ".json", ".jsonl")] == ["mine.txt"]


def test_killed_in_mid_job_the_process_is_gone_and_the_folder_tells_how_far_it_came(start_child, make_job):
    child = start_child()
    folder = make_job(steps=1000, pause=0.05)
    child.until(in_stage("sample"), child.submit(folder))
    os.kill(child.process.pid, signal.SIGKILL)
    assert child.process.wait(5) == -signal.SIGKILL
    assert events_of(folder.events(), StageProgress)
    assert folder.read_result() is None
    again = start_child()
    assert isinstance(again.run(make_job(steps=1))[-1], Done)


@pytest.mark.parametrize("fault", ["", "stuck"])
def test_ends_within_two_seconds_when_the_parent_closes_the_pipe(start_child, make_job, fault):
    child = start_child()
    folder = make_job(steps=1000, pause=0.05, fault=fault)
    job = child.submit(folder)
    child.until(in_stage("sample") if not fault else Loading, job)
    time.sleep(0.3)
    begin = time.perf_counter()
    child.process.stdin.close()
    child.process.wait(5)
    assert time.perf_counter() - begin < 2
    if not fault:
        assert child.process.returncode == 0
        assert isinstance(list(folder.events())[-1], CancelledEvent)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent-death signal")
def test_ends_with_a_killed_parent_even_inside_a_call_that_holds_the_lock(make_job, tmp_path, starter):
    folder = make_job(fault="stuck with lock")
    parent = subprocess.Popen([sys.executable, "-c", f"""
import json, pathlib, time
from tests.worker.conftest import Child
from backend.contract import JobFolder, Loading, MeshData
child = Child(pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(starter)!r}))
child.until(Loading, child.submit(JobFolder({str(folder.path)!r})))
print(child.process.pid, flush=True)
time.sleep(60)
"""], cwd=REPOSITORY, stdout=subprocess.PIPE)
    process = int(parent.stdout.readline())
    time.sleep(1)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 2
    while _runs(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(process)


def test_shutdown_cancels_and_ends(start_child, make_job):
    child = start_child()
    job = child.submit(make_job(steps=1000, pause=0.05))
    child.until(in_stage("sample"), job)
    child.send(Shutdown())
    assert isinstance(child.until(TERMINAL_EVENTS, job)[-1], CancelledEvent)
    assert child.process.wait(5) == 0


def test_in_process_and_in_a_child_the_bytes_are_the_same(child, local, make_job):
    for seed in (0, 7):
        outside, inside = make_job(seed=seed, steps=5), make_job(seed=seed, steps=5)
        child.run(outside)
        assert isinstance(local.run(inside)[-1], Done)
        assert (outside.outputs / "mesh.npz").read_bytes() == (inside.outputs / "mesh.npz").read_bytes()
    other = make_job(seed=8, steps=5)
    local.run(other)
    vertices = [MeshData.read(folder.outputs / "mesh.npz").vertices for folder in (other, inside)]
    assert not np.array_equal(*vertices)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
