# SPDX-License-Identifier: GPL-3.0-or-later
"""`contract.Progress` for a job that runs: events at a bearable rate, the whole job's share, time left, cancelling."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..contract import Cancelled, Downloading, Event, Loading, LogLine, Preview, StageProgress, TaskSpec
from .job import WorkerJob
from .time_left import Estimate

SECONDS_BETWEEN_EVENTS = 0.1
SECONDS_BETWEEN_PREVIEWS = 0.2


class JobProgress:
    """Counts seconds a stage. Time between two calls belongs to the stage of the later one; where that reports step 0,
    and so only begins, to the stage before. Stages may take turns.
    """

    def __init__(
        self, job: WorkerJob, task: TaskSpec, estimate: Estimate, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._job, self._estimate, self._clock = job, estimate, clock
        self._names = frozenset(stage.name for stage in task.stages)
        self._done: dict[str, float] = {}
        self._current = ""
        self._fraction = 0.0
        self._last_call = clock()
        self._last_sent = float("-inf")
        self._previewed: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    def check(self) -> None:
        """Raise Cancelled when the artist asked to stop."""
        if self._job.cancelled.is_set():
            raise Cancelled

    def loading(self, what: str) -> None:
        """Report that a component is being read."""
        self.check()
        self._job.report(Loading(self._job.name, what))

    def downloading(self, file: str, received: int, of: int, wait: float = 0.0) -> None:
        """Report the bytes of a file; the last ones always."""
        self.check()
        self._send(Downloading(self._job.name, file, received, of, round(wait, 1)), always=received == of > 0)

    def preview(self, file: str) -> None:
        """Report a file to be shown, unless the same one was reported just before."""
        self.check()
        now = self._clock()
        if now - self._previewed.get(file, float("-inf")) >= SECONDS_BETWEEN_PREVIEWS:
            self._previewed[file] = now
            self._job.report(Preview(self._job.name, file))

    def warn(self, text: str) -> None:
        """Report a remark; the result repeats it."""
        if text not in self.notes:
            self.notes.append(text)
            self._job.report(LogLine(self._job.name, text, "warning"))

    def stage(self, name: str, step: int, of: int) -> None:
        """Report a step; a stage's first and last always. Raises KeyError for a stage that the task's spec lacks."""
        self.check()
        if name not in self._names:
            raise KeyError(name)
        first = name not in self._done
        self._count_seconds(name, begins=step == 0)
        self._done[name] = min(step / of, 1.0) if of else 1.0
        self._fraction = max(self._fraction, self._estimate.fraction(self._done))
        left = self._estimate.left(self._done, self.seconds)
        event = StageProgress(self._job.name, name, step, of, self._fraction, left)
        self._send(event, always=first or step == of)

    @contextmanager
    def outside_stages(self, name: str) -> Iterator[None]:
        """What happens within takes seconds of its own, under this name, and none of a stage's."""
        begin = self._clock()
        yield
        self._last_call = self._clock()
        self.seconds[name] = self._last_call - begin

    def _count_seconds(self, name: str, begins: bool) -> None:
        now = self._clock()
        owner = self._current if begins and self._current else name
        self.seconds[owner] = self.seconds.get(owner, 0.0) + now - self._last_call
        self.seconds.setdefault(name, 0.0)
        self._last_call, self._current = now, name

    def _send(self, event: Event, always: bool) -> None:
        now = self._clock()
        if always or now - self._last_sent >= SECONDS_BETWEEN_EVENTS:
            self._last_sent = now
            self._job.report(event)
