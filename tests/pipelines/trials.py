# SPDX-License-Identifier: GPL-3.0-or-later
"""One quick request of a task, run as the worker runs it, with everything that a test wants to know of the run."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.contract import Cancelled, JobFolder, MeshData, PipelineSpec, Request, Resources, Result, TaskSpec
from backend.contract.parameter import Value
from backend.worker.adapter import Adapter
from backend.worker.devices import attention_within_memory
from backend.worker.job import WorkerJob
from backend.worker.progress import JobProgress
from backend.worker.time_left import Estimate

Content = MeshData | NDArray[np.uint8]
"""An input file: a mesh, or an image uint8 [H, W, 3 or 4]."""
TINY = "tiny"
"""The weights that a contract writes itself."""
SEED, OTHER_SEED = 3, 4


@dataclass(frozen=True)
class Trial:
    """A task with inputs and parameters that take little time.

    Attributes:
        inputs: one file a slot, or several of a slot that takes several.
        parameters: those that differ from the defaults; a function of the weights' folder where one is a path.
        weights: a set of the spec, or `TINY`.
        note: tells trials of one task apart.
    """

    task: str
    inputs: Mapping[str, Content | tuple[Content, ...]] = field(default_factory=dict)
    parameters: Mapping[str, Value] | Callable[[Path], Mapping[str, Value]] = field(default_factory=dict)
    weights: str = TINY
    note: str = ""

    def __str__(self) -> str:
        return f"{self.task}-{self.note}" if self.note else self.task


class WatchedParameters(Mapping[str, Value]):
    """Parameters that remember which of them were read; reading all in a loop would say nothing, and is refused."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Value:
        self.read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a job reads each parameter by its name")

    def __len__(self) -> int:
        return len(self._values)


class WatchedProgress(JobProgress):
    """The worker's own progress, which keeps what is reported.

    Attributes:
        reports: `(stage, step, of)` of each report.
        previews: files that were to be shown.
        refusals: how often a call raised `Cancelled`.
    """

    def __init__(self, folder: JobFolder, task: TaskSpec, values: Mapping[str, Value], cancel_in: str = "") -> None:
        self._running = WorkerJob("job", folder, lambda event: None)
        super().__init__(self._running, task, Estimate(task, values, None))
        self._cancel_in = cancel_in
        self.reports: list[tuple[str, int, int]] = []
        self.previews: list[str] = []
        self.refusals = 0
        self.cancelled_at: Moment | None = None

    def check(self) -> None:
        """See `JobProgress`."""
        try:
            super().check()
        except Cancelled:
            self.refusals += 1
            raise

    def stage(self, name: str, step: int, of: int) -> None:
        """See `JobProgress`; the artist cancels just after the first report of `cancel_in`."""
        super().stage(name, step, of)
        self.reports.append((name, step, of))
        if name == self._cancel_in and self.cancelled_at is None:
            self.cancelled_at = Moment()
            self._running.cancelled.set()

    def preview(self, file: str) -> None:
        """See `JobProgress`."""
        super().preview(file)
        self.previews.append(file)


class Moment:
    """A point in time."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def seconds_since(self) -> float:
        """By the clock or by the processor, whichever is less: a busy machine makes nobody slow."""
        return min(time.perf_counter() - self._wall, time.process_time() - self._processor)


@dataclass(frozen=True)
class Run:
    """A finished run: its files by name, and all that was reported."""

    request: Request
    folder: JobFolder
    result: Result
    files: Mapping[str, bytes]
    progress: WatchedProgress
    parameters_read: frozenset[str]

    @property
    def stages(self) -> list[str]:
        """The stages in the order in which they began."""
        return list(dict.fromkeys(name for name, _, _ in self.progress.reports))


def write_request(trial: Trial, spec: PipelineSpec, folder: JobFolder, weights: Path, seed: int) -> Request:
    """Write the inputs; the request, validated against the spec, which holds the trial's weights."""
    names: dict[str, tuple[str, ...]] = {}
    for slot, given in trial.inputs.items():
        contents = given if isinstance(given, tuple) else (given,)
        names[slot] = tuple(_write(content, folder.inputs / f"{slot}.{number:03d}")
                            for number, content in enumerate(contents, start=1))
    values = trial.parameters(weights) if callable(trial.parameters) else trial.parameters
    return Request("job", trial.task, spec.name, trial.weights, "thing", seed, values, names).validated(spec)


def run_trial(adapter: Adapter, model: Any, request: Request, folder: JobFolder, resources: Resources,
              progress: WatchedProgress) -> Run:
    """Run as `JobRunner` does."""
    watched = WatchedParameters(request.parameters)
    with attention_within_memory(resources.device):
        result = adapter.run(model, replace(request, parameters=watched), folder, resources, progress)
    progress.check()
    files = {path.name: path.read_bytes() for path in sorted(folder.outputs.iterdir())}
    return Run(request, folder, result, files, progress, frozenset(watched.read))


@contextmanager
def within_a_second(progress: WatchedProgress) -> Iterator[None]:
    """A run in this block is cancelled, once, and ends within a second."""
    try:
        yield
    except Cancelled:
        assert progress.cancelled_at is not None
        assert progress.cancelled_at.seconds_since() < 1
        assert progress.refusals == 1, "the run went on after it was cancelled"
    else:
        raise AssertionError("the run was not cancelled")


def _write(content: Content, path: Path) -> str:
    if isinstance(content, MeshData):
        file = path.with_name(f"{path.name}.npz")
        content.write(file)
    else:
        file = path.with_name(f"{path.name}.png")
        Image.fromarray(content).save(file)
    return file.name
