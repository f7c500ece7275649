# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's queue without Blender, and the real worker without its seconds of imports.

The modules of the queue need no bpy; only their packages' `__init__` do, so those are stood in for. A worker is forked
from this process, which has imported torch and the pipelines: the same loop on the same pipes, started in milliseconds.
"""

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import os
import random
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.contract import TERMINAL_EVENTS, JobFolder, MeshData, Request
from backend.worker import Settings
from backend.worker.adapter import find_adapter
from backend.worker.loop import serve
from backend.worker_client import WorkerSettings
from tests.worker import practice

REPOSITORY = Path(__file__).parents[2]
DESK = "desk_without_blender"
CUBE = MeshData(
    np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32) - 0.5,
    np.array([(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
              (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)], np.int32))
_numbers = itertools.count(1)


class _OneBackend(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `<desk>.backend.x` the very module `backend.x`, so that every class exists once."""

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: types.ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name != f"{DESK}.backend" and not name.startswith(f"{DESK}.backend."):
            return None
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(spec.name.removeprefix(f"{DESK}."))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = module.__spec__.loader_state


def _stand_in(name: str, folder: Path) -> None:
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if DESK not in sys.modules:
    sys.meta_path.insert(0, _OneBackend())
    _stand_in(DESK, REPOSITORY / "blender_addon")
    _stand_in(f"{DESK}.jobs", REPOSITORY / "blender_addon" / "jobs")
queue: Any = importlib.import_module(f"{DESK}.jobs.queue")
supervisor: Any = importlib.import_module(f"{DESK}.jobs.supervisor")
waiting_list: Any = importlib.import_module(f"{DESK}.jobs.waiting_list")
job_module: Any = importlib.import_module(f"{DESK}.jobs.job")
connection: Any = importlib.import_module(f"{DESK}.connection.subprocess_connection")
pipe_reading: Any = importlib.import_module(f"{DESK}.connection.pipe_reading")

JobState = job_module.JobState
LIMITS = supervisor.Limits(deaths=10**6)


class Forked:
    """What `SubprocessConnection` needs of a `Popen`, for a function in a forked child."""

    def __init__(self, run: Callable[[], object]) -> None:
        ends = [os.pipe() for _ in range(3)]  # stdin, stdout, stderr: (to read, to write)
        gc.disable()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(run, (ends[0][0], ends[1][1], ends[2][1]))
        gc.enable()
        for mine in (ends[0][0], ends[1][1], ends[2][1]):
            os.close(mine)
        self.stdin = os.fdopen(ends[0][1], "wb", buffering=0)
        self.stdout = os.fdopen(ends[1][0], "rb", buffering=0)
        self.stderr = os.fdopen(ends[2][0], "rb", buffering=0)
        self.returncode: int | None = None

    @staticmethod
    def _become(run: Callable[[], object], streams: tuple[int, int, int]) -> None:
        try:
            signal.alarm(0)
            os.setsid()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, 4096)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            run()
        finally:
            os._exit(70)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        end = time.monotonic() + (seconds if seconds is not None else 60.0)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("forked", seconds or 60.0)
            time.sleep(0.001)
        assert self.returncode is not None
        return self.returncode


def real_worker(models: Path) -> Callable[[], object]:
    """The worker's own program."""
    return lambda: serve(Settings(models, "cpu", statistics=models / "statistics.json"))


class Tree:
    """What `SubprocessConnection` needs of a process tree."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.process = Forked(run)

    def end(self, force: bool) -> None:
        """End the process and its children."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL if force else signal.SIGTERM)


def connecting(program: Callable[[], object]) -> Callable[[object], Any]:
    """A `connect` for the supervisor whose workers run this program."""
    def connect(settings: object) -> Any:
        connection.ProcessTree = lambda *_, **__: Tree(program)
        return connection.SubprocessConnection(settings)
    return connect


@dataclass
class Report:
    """What a delivery returns."""

    notes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    title: str = ""


@dataclass
class Desk:
    """One Blender: its queue, and what was delivered."""

    jobs_folder: Path
    program: Callable[[], object]
    delivered: list[str] = field(default_factory=list)
    resumes: bool = False
    """Whether somebody presses Resume Queue whenever it is paused."""

    def __post_init__(self) -> None:
        self.supervisor = supervisor.Supervisor(LIMITS, connecting(self.program))
        settings = WorkerSettings(Path(sys.executable), REPOSITORY, self.jobs_folder)
        self.queue = queue.JobQueue(self._deliver, lambda: "", lambda: settings, LIMITS, self.supervisor,
                                    waiting_list.WaitingList(self.jobs_folder))
        self.queue.take_over()

    def _deliver(self, folder: JobFolder) -> Report:
        assert folder.read_result() is not None
        self.delivered.append(folder.path.name)
        return Report()

    def submit(self, task: str = "walk", **parameters: object) -> Any:
        return self.queue.submit(*new_job(self.jobs_folder, task, **parameters))

    def until(self, condition: Callable[[], object], seconds: float = 60.0, pause: float = 0.002) -> float:
        """Poll until the condition holds; the seconds that took."""
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < seconds, [(job.id, job.state, job.stage) for job in self.queue.jobs()]
            self.queue.poll_once()
            if self.resumes and self.queue.pause is not None:
                self.queue.resume()
            time.sleep(pause)
        return time.monotonic() - begin

    def start(self) -> None:
        """Have a worker that has greeted."""
        done = self.submit(steps=1)
        self.until(lambda: done.ended)

    @property
    def worker(self) -> int:
        return int(self.supervisor._connection.process_id)

    def runs(self, job: Any) -> bool:
        """Whether the worker has the job, or it has ended already."""
        return bool(job.ended or (self.queue._active is job and self.queue._submitted))

    def kill_worker(self) -> None:
        self.until(lambda: self.supervisor._connection is not None)
        os.kill(self.worker, signal.SIGKILL)


FASTEST = {"repair_mesh": ("silksong", "mesh"), "split_parts": ("partpacker", "meshes"), "describe": ("sar3d", "mesh")}
"""The three fastest tasks: their pipelines, and the input that takes a mesh."""


def new_job(jobs_folder: Path, task: str, **parameters: object) -> tuple[Request, JobFolder]:
    """A job whose folder is written: of the practice pipeline, or one of the three fastest tasks on a cube."""
    pipeline, slot = FASTEST.get(task, ("practice", ""))
    name = f"job-{os.getpid()}-{next(_numbers)}"
    folder = JobFolder.create(jobs_folder / name)
    if slot:
        CUBE.write(folder.inputs / "mesh.npz")
    request = Request(name, task, pipeline, "starter" if slot else "small", "thing", next(_numbers), parameters,
                      {slot: ("mesh.npz",)} if slot else {})
    folder.write_request(request)
    return request, folder


def import_pipelines(tasks: Sequence[str] = tuple(FASTEST)) -> None:
    """Everything that a worker would import for these tasks, once, before any is forked."""
    import torch

    torch.set_num_threads(1)
    practice.install()
    for task in tasks:
        find_adapter(FASTEST[task][0])


def forget_practice() -> None:
    """Leave the registry as it was found."""
    from backend.pipelines import registry

    registry.specs().pop("practice", None)
    sys.modules.pop("backend.pipelines.practice.job", None)


def check_end(job: Any) -> bool:
    """Assert that the job says what its folder says, once, and return whether it finished."""
    ends = [event for event in job.folder.events() if isinstance(event, TERMINAL_EVENTS)]
    finished = job.folder.read_result() is not None
    state = {"Done": JobState.DONE, "Failed": JobState.FAILED, "CancelledEvent": JobState.CANCELLED}
    assert len(ends) == 1, f"{job.id}: {ends}"
    assert state[type(ends[0]).__name__] is job.state, f"{job.id} is {job.state}, its folder says {ends[0]}"
    assert finished == (job.state is JobState.DONE), f"{job.id} is {job.state}; a result: {finished}"
    assert finished == job.delivered and (job.error is None) == (job.state is not JobState.FAILED)
    return finished


def runs(process: int) -> bool:
    """Whether a process of this id runs; one that waits for its parent to see its end does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


dice = random.Random(16)
