# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of malformed lines each way: neither side goes deaf, and no line takes its neighbors with it."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from backend.contract import BadInput, Cancel, StageProgress, item_of

from .malformed import EVENTS, MESSAGES, malformed_lines
from .scale import report, times

COUNT = times(2000, 10_000)


@pytest.mark.parametrize("kinds", [EVENTS, MESSAGES])
def test_a_line_is_understood_or_refused_in_words(kinds: tuple[dict[str, Any], ...]) -> None:
    refused = 0
    for line in malformed_lines(kinds, COUNT, seed=1):
        try:
            item_of(line)
        except BadInput as error:
            refused += 1
            assert error.report.what and len(str(error)) < 2000
    assert refused > COUNT * 0.8


@pytest.mark.timeout(600)
def test_the_worker_outlives_any_line(blender: Any) -> None:
    blender.start()
    worker = blender.worker
    endless = blender.submit(steps=100_000, pause=0.01)
    blender.until(lambda: endless.state.name == "RUNNING")
    connection, begin = blender.supervisor._connection, time.monotonic()
    for line in malformed_lines(MESSAGES, COUNT, seed=2):
        connection._unsent += line + b"\n"
        if len(connection._unsent) > 100_000:
            blender.until(lambda: not connection._unsent)
    blender.until(lambda: not connection._unsent)
    seconds = time.monotonic() - begin
    blender.queue.cancel(endless.id)
    assert blender.until(lambda: endless.ended) < 2, "it still hears"
    after = blender.submit(steps=1)
    blender.until(lambda: after.ended)
    assert after.delivered and blender.worker == worker
    report(f"{COUNT} malformed lines to the worker in {seconds:.1f} s: it took the cancel that followed, and a job")


def noisy_worker() -> None:
    """A worker that says malformed lines between its events."""
    lines = malformed_lines(EVENTS, COUNT, seed=3)
    write = os.fdopen(1, "wb", buffering=0, closefd=False).write
    os.write(1, json.dumps({"message": "ready", "device": "noise", "process": os.getpid()}).encode() + b"\n")
    submitted = json.loads(os.fdopen(0, "rb", closefd=False).readline())
    job, folder = submitted["job"], Path(submitted["folder"])
    for step in range(1, 101):
        for _ in range(COUNT // 100):
            write(next(lines) + b"\n")
        event = {"event": "stage", "job": job, "stage": "sample", "step": step, "of": 100, "fraction": step / 100}
        write(json.dumps(event).encode() + b"\n")
    write(b"x" * (5 * 1024 * 1024) + b"\n")
    (folder / "result.json").write_text('{"artifacts": [{"name": "a", "kind": "mesh", "file": "a", "role": "mesh"}]}')
    write(json.dumps({"event": "done", "job": job, "result": {"artifacts": []}}).encode() + b"\n")
    time.sleep(600)


@pytest.mark.timeout(600)
def test_blender_hears_every_event_between_malformed_lines(imported: None, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    from .desk import Desk

    desk, heard, slowest = Desk(tmp_path, noisy_worker), [], 0.0
    job = desk.submit()
    take = job.take
    monkeypatch.setattr(job, "take", lambda event: (heard.append(event), take(event)))
    begin = time.monotonic()
    while not job.ended:
        tick = time.thread_time()
        desk.queue.poll_once()
        slowest = max(slowest, time.thread_time() - tick)
        assert time.monotonic() - begin < 300
        time.sleep(0.001)
    steps = [event.step for event in heard if isinstance(event, StageProgress)]
    assert steps == list(range(1, 101)), "every neighbor was heard, in order"
    assert job.delivered and job.state.name == "DONE"
    report(f"{COUNT} malformed lines from the worker: all 100 events between them were heard, the job finished; the "
           f"longest step of the queue took {1000 * slowest:.0f} ms")
    desk.queue.shutdown()


def test_a_cancel_message_of_an_unknown_job_is_nothing(blender: Any) -> None:
    blender.start()
    blender.supervisor.send(Cancel("nobody"))
    job = blender.submit(steps=1)
    blender.until(lambda: job.ended)
    assert job.delivered
