# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the queue share: workers to connect to, jobs to submit, a delivery that takes notes."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backend.contract import JobFolder, Request
from backend.pipelines import registry
from backend.worker import job_run
from blender_addon.connection import WorkerSettings
from blender_addon.jobs import Limits
from tests.worker import practice

from .conftest import WORKER_PYTHON

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
WAIT = 60.0
HASTY = Limits(start=20.0, goodbye=2.0, cancel=0.3, terminate=0.3)
_numbers = itertools.count(1)


def fake_worker(device: str = "normal") -> WorkerSettings:
    """The worker that misbehaves on demand; see its module."""
    return WorkerSettings(WORKER_PYTHON, HERE / "fake_worker", Path("models"), device)


def real_worker(**changes: object) -> WorkerSettings:
    """The real worker with the practice pipeline beside the others."""
    return WorkerSettings(WORKER_PYTHON, HERE / "practice_worker", Path("models"), "cpu", **changes)


@contextmanager
def practice_pipeline_here() -> Iterator[None]:
    """The practice pipeline beside the others in this process too, for a worker inside it."""
    locate = job_run.locate
    practice.install()
    try:
        yield
    finally:
        job_run.locate = locate
        del registry.specs()[practice.SPEC.name]


def new_job(jobs_folder: Path, subject: str = "chair", weights: str = "small",
            **parameters: object) -> tuple[Request, JobFolder]:
    """A job of the practice pipeline whose folder is written."""
    request = Request(f"job-{next(_numbers)}", "walk", "practice", weights, subject, seed=3, parameters=parameters)
    folder = JobFolder.create(jobs_folder / request.job)
    folder.write_request(request)
    return request, folder


@dataclass
class Report:
    """What a delivery returns."""

    notes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    title: str = ""


@dataclass
class Delivery:
    """Stands in for the scene: remembers what was delivered, waits or fails when told to."""

    delivered: list[str] = field(default_factory=list)
    waiting_for: str = ""
    failure: Exception | None = None

    def deliver(self, folder: JobFolder) -> Report:
        if self.failure is not None:
            raise self.failure
        self.delivered.append(folder.read_request().job)
        return Report(("delivered with a remark",))

    def blocked(self) -> str:
        return self.waiting_for


def until(condition: Callable[[], object], step: Callable[[], object] = lambda: None, seconds: float = WAIT) -> float:
    """Call `step` until the condition holds; returns the seconds that took. Fails after `seconds`."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "the time is up"
        step()
        time.sleep(0.005)
    return time.monotonic() - begin


def runs(process: int) -> bool:
    """Whether a process of this id runs; one that ended and waits for its parent does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.is_file() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")
