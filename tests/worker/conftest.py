# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in a real child process, a worker in this process, and job folders for both."""

import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.contract import (
    TERMINAL_EVENTS,
    Cancel,
    JobFolder,
    Request,
    Shutdown,
    Submit,
    event_from_json,
    message_from_json,
    message_to_json,
)
from backend.worker import Settings, Worker
from tests.worker import practice

REPOSITORY = Path(__file__).parents[2]


class Child:
    """The worker's process with its events in a queue."""

    def __init__(self, models: Path, starter: Path, program: str = "tests.worker.child") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", program, str(starter), "worker", "--models", str(models),
             "--device", "cpu", "--statistics", str(models / "statistics.json")],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(models / "stderr.txt").open("wb"),
        )
        self.lines: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = message_from_json(self.lines.get(timeout=60))

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))  # a line that is no JSON ends this thread and so fails the test

    def send(self, message) -> None:
        self.process.stdin.write(json.dumps(message_to_json(message)).encode() + b"\n")
        self.process.stdin.flush()

    def submit(self, folder: JobFolder) -> str:
        job = folder.read_request().job
        self.send(Submit(job, str(folder.path)))
        return job

    def next(self, timeout: float = 60):
        return event_from_json(self.lines.get(timeout=timeout))

    def until(self, wanted, job: str | None = None) -> list:
        """Events up to the first that `wanted` (types, or a test) takes."""
        seen = []
        while True:
            seen.append(self.next())
            fits = wanted(seen[-1]) if not isinstance(wanted, (type, tuple)) else isinstance(seen[-1], wanted)
            if fits and job in (None, seen[-1].job):
                return seen

    def run(self, folder: JobFolder) -> list:
        return self.until(TERMINAL_EVENTS, self.submit(folder))

    def cancel_and_time(self, job: str) -> tuple[float, object]:
        """Seconds until the terminal event, and the event."""
        begin = time.perf_counter()
        self.send(Cancel(job))
        event = self.until(TERMINAL_EVENTS, job)[-1]
        return time.perf_counter() - begin, event

    def end(self) -> None:
        if self.process.poll() is None:
            try:
                self.send(Shutdown())
                self.process.stdin.close()
                self.process.wait(10)
            finally:
                self.process.kill()


@pytest.fixture
def start_child(tmp_path, starter):
    """Starts children that end with the test."""
    children = []

    def start() -> Child:
        children.append(Child(tmp_path, starter))
        return children[-1]

    yield start
    for child in children:
        child.end()


@pytest.fixture(scope="session")
def starter(tmp_path_factory):
    """Tiny weights that stand for PartPacker's starter weights."""
    from tests.worker.tiny_partpacker import save_tiny_weights

    folder = tmp_path_factory.mktemp("starter")
    save_tiny_weights(folder)
    return folder


@pytest.fixture(scope="session")
def child(tmp_path_factory, starter):
    """One child for the tests that leave it in order."""
    child = Child(tmp_path_factory.mktemp("models"), starter)
    yield child
    child.end()


@pytest.fixture
def make_job(tmp_path):
    """Writes job folders of the practice pipeline (or another)."""
    numbers = itertools.count(1)

    def make(task="walk", pipeline="practice", weights="small", seed=0, inputs=None, **parameters) -> JobFolder:
        job = f"job-{next(numbers)}"
        folder = JobFolder.create(tmp_path / "jobs" / job)
        names = {}
        for name, content in (inputs or {}).items():
            (folder.inputs / content.name).write_bytes(content.read_bytes())
            names[name] = (content.name,)
        folder.write_request(Request(job, task, pipeline, weights, "thing", seed, parameters, names))
        return folder

    return make


class Local:
    """A worker in this process."""

    def __init__(self, settings: Settings) -> None:
        self.events: list = []
        self.on_event = lambda event: None
        self.worker = Worker(self._take, settings)

    def _take(self, event) -> None:
        self.events.append(event)
        self.on_event(event)

    def run(self, folder: JobFolder) -> list:
        """All events of one job."""
        job = folder.read_request().job
        self.worker.submit(job, folder.path)
        while self.worker.run_next():
            pass
        return [event for event in self.events if event.job == job]


@pytest.fixture
def local(tmp_path, monkeypatch, starter):
    """A worker in this process that knows the practice pipeline and the tiny weights."""
    from backend.pipelines import registry
    from backend.worker import job_run

    monkeypatch.setattr(job_run, "locate", job_run.locate)
    monkeypatch.setitem(registry.specs(), "practice", practice.SPEC)
    monkeypatch.setitem(sys.modules, "backend.pipelines.practice.job", None)
    practice.install(starter)
    return Local(Settings(tmp_path, "cpu", statistics=tmp_path / "statistics.json"))


def events_of(events, kind):
    return [event for event in events if isinstance(event, kind)]
