# SPDX-License-Identifier: GPL-3.0-or-later
"""The seven rules of the boundary between Blender and the worker, each held against the real worker.

What only a worker that misbehaves can show (it never answers, it dies at its start) stands in test_jobs.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import pytest

from blender_addon import deliver, jobs
from blender_addon.connection import WorkerSettings, in_process
from blender_addon.jobs import Job, JobState, Limits, engine

from .jobs_at_work import REPOSITORY, Delivery, new_job, practice_pipeline_here, real_worker, runs, until

LIMITS = Limits()
TICK_SECONDS = 0.02
"""A tick's budget is 4 ms; the rest is for a machine whose processors are all taken."""
BLENDER = """
import sys, time
import tests.addon.conftest
from pathlib import Path
from backend.contract import Ready, StageProgress, Submit
from blender_addon.connection.subprocess_connection import SubprocessConnection
from tests.addon.jobs_at_work import new_job, real_worker, until

connection, heard = SubprocessConnection(real_worker()), []
connection.start()
until(lambda: heard, lambda: heard.extend(connection.poll()))
request, folder = new_job(Path(sys.argv[1]), steps=100000, pause=0.01, fault=sys.argv[2])
connection.send(Submit(request.job, str(folder.path)))
time.sleep(0.5)
sys.stdout.write(f"{heard[0].process}\\n")
sys.stdout.flush()
time.sleep(600)
"""


class Desk:
    """The registered queue over one worker. The worker lives as long as the module's tests: starting costs seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.delivery, self.settings = folder, Delivery(), real_worker()
        self.slowest_tick = 0.0

    def worker_settings(self) -> WorkerSettings:
        return self.settings

    def tick(self) -> None:
        begin = time.thread_time()  # the tick's own work, not the time that others have the processor
        jobs.poll_once()
        self.slowest_tick = max(self.slowest_tick, time.thread_time() - begin)

    def submit(self, subject: str = "chair", **parameters: object) -> Job:
        return jobs.submit(*new_job(self.folder, subject, **parameters))

    def until_at(self, job: Job, stage: str = "sample") -> None:
        until(lambda: job.ended or job.stage.startswith(stage), self.tick)
        assert not job.ended, job.error

    def run(self, **parameters: object) -> Job:
        job = self.submit(**parameters)
        until(lambda: job.ended, self.tick)
        return job

    @property
    def process(self) -> int:
        return engine._queue._supervisor._greeting.process


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("jobs"))
    jobs.register(desk.delivery.deliver, lambda: desk.delivery.blocked(), desk.worker_settings, LIMITS)
    yield desk
    jobs.unregister()


def test_rule_1_what_a_library_prints_breaks_nothing(desk: Desk) -> None:
    job = desk.run(fault="print")
    assert (job.state, job.delivered, job.error) == (JobState.DONE, True, None)
    noise = "\n".join(engine._queue._supervisor._connection.last_log_lines())
    for words in ("a library prints", "descriptor 1", "a grandchild prints"):
        assert words in noise


@pytest.mark.parametrize(("stage", "options"), [
    ("Loading", {"weights": "other"}), ("sample", {"steps": 5000, "pause": 0.02}),
    ("decode", {"steps": 1, "pause": 0.4})])
def test_rule_2_cancel_is_answered_within_a_second_and_the_model_stays(desk: Desk, stage: str, options: dict) -> None:
    before = desk.run().result.artifacts[0].properties["runs"]
    process = desk.process
    job = desk.submit(**options)
    desk.until_at(job, stage)
    jobs.cancel(job.id)
    assert until(lambda: job.ended, desk.tick) < 1
    assert job.state is JobState.CANCELLED
    assert desk.run().result.artifacts[0].properties["runs"] > before, "the model of before has counted on"
    assert desk.process == process


def test_rule_2_a_job_that_hears_no_cancel_ends_with_its_worker(desk: Desk) -> None:
    job, waiting = desk.submit(fault="stuck with lock"), desk.submit()
    until(lambda: job.folder.log.is_file() and "walk by practice" in job.folder.log.read_text(), desk.tick)
    process = desk.process
    jobs.cancel(job.id)
    assert LIMITS.cancel < until(lambda: job.ended, desk.tick) < LIMITS.cancel + 1
    assert job.state is JobState.CANCELLED and not runs(process)
    until(lambda: waiting.ended, desk.tick)
    assert waiting.state is JobState.DONE


def test_rule_3_no_thread_and_a_few_milliseconds_a_tick(desk: Desk) -> None:
    desk.run()
    desk.slowest_tick, threads = 0.0, threading.active_count()
    job = desk.submit(steps=200, pause=0.001)
    until(lambda: job.ended, lambda: (desk.tick(), threads_are(threads)))
    assert desk.slowest_tick < TICK_SECONDS


def threads_are(count: int) -> None:
    assert threading.active_count() == count


def test_rule_4_a_killed_worker_fails_one_job_and_the_next_has_a_new_one(desk: Desk) -> None:
    job, waiting = desk.submit(steps=5000, pause=0.02), desk.submit()
    desk.until_at(job)
    killed = desk.process
    os.kill(killed, signal.SIGKILL)
    assert until(lambda: job.ended, desk.tick) < 1
    assert job.state is JobState.FAILED and "SIGKILL" in job.error.why
    assert job.folder.read_error() == job.error
    until(lambda: waiting.ended, desk.tick)
    assert waiting.state is JobState.DONE and desk.process != killed


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("fault", ["", "stuck with lock"])
def test_rule_5_the_child_ends_with_blender(tmp_path: Path, fault: str) -> None:
    blender = subprocess.Popen([sys.executable, "-c", BLENDER, str(tmp_path), fault], cwd=REPOSITORY,
                               stdout=subprocess.PIPE, text=True)
    process = int(blender.stdout.readline())
    assert runs(process)
    blender.kill()
    blender.wait()
    blender.stdout.close()
    assert until(lambda: not runs(process), seconds=10) < 2


def test_rule_6_a_file_loaded_and_an_object_deleted_meanwhile(desk: Desk) -> None:
    desk.delivery.waiting_for = ""
    bpy.ops.wm.read_homefile(use_empty=True)
    before = bpy.data.objects.new("before", None)
    bpy.context.scene.collection.objects.link(before)
    job = desk.submit(steps=50, pause=0.01)
    desk.until_at(job)
    assert len(pickle.dumps(job)) < 20000, "plain data: no datablock can be pickled"
    bpy.data.objects.remove(before)
    bpy.ops.wm.read_homefile(use_empty=True)
    until(lambda: job.ended, desk.tick)
    with practice_pipeline_here():
        report = deliver.deliver(job.folder)
    assert job.delivered and [bpy.data.objects[name].name for name in report.objects] == list(report.objects) != []


def test_rule_6_delivery_waits_for_object_mode(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.delivery, "blocked", deliver.blocked)
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    job = desk.submit()
    until(lambda: job.stage == "Waiting for Object Mode", desk.tick)
    bpy.ops.object.mode_set(mode="OBJECT")
    until(lambda: job.delivered, desk.tick)


def test_rule_7_in_process_is_the_same_loop(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = desk.run(steps=6)
    shown: list[int] = []
    monkeypatch.setattr(in_process, "_show", shown.append)
    monkeypatch.setattr(desk, "settings", replace(desk.settings, in_process=True))
    with practice_pipeline_here():
        inside = desk.run(steps=6)
    assert inside.delivered and shown == sorted(shown) and shown[-1] == in_process.CURSOR_STEPS
    assert (inside.folder.outputs / "mesh.npz").read_bytes() == (outside.folder.outputs / "mesh.npz").read_bytes()
