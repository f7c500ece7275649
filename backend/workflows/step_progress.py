# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of one step of a chain, as a share of the chain's stage of that name."""

import logging
import shutil
from contextlib import AbstractContextManager
from typing import Protocol

from ..contract import JobFolder, Progress, TaskSpec

logger = logging.getLogger(__name__)

TICKS = 1000
"""Steps of a chain's stage: a step's own progress is counted in these."""


class JobReport(Progress, Protocol):
    """The progress of the whole job."""

    def outside_stages(self, name: str) -> AbstractContextManager[None]:
        """What happens within takes seconds of its own, under this name, and none of a stage's."""


class StepProgress:
    """`Progress` for run number `turn` of `turns` of one step. A step that takes one mesh at a time has several runs.

    Previews are copied to where the job's own are looked for.
    """

    def __init__(self, whole: JobReport, stage: str, task: TaskSpec, folders: tuple[JobFolder, JobFolder],
                 turn: int, turns: int) -> None:
        """`folders` are the step's and the job's."""
        self._whole, self._stage, (self._folder, self._job) = whole, stage, folders
        total = sum(each.share for each in task.stages) or 1.0
        self._shares = {each.name: each.share / total for each in task.stages}
        self._done: dict[str, float] = {}
        self._turn, self._turns, self._ticks = turn, turns, 0

    def stage(self, name: str, step: int, of: int) -> None:
        """Raises Cancelled, and KeyError for a stage that the task's spec lacks."""
        self._done[name] = min(step / of, 1.0) if of else 1.0
        done = sum(self._shares[stage] * share for stage, share in self._done.items())
        self._report(min(done, 1.0))

    def finished(self) -> None:
        """This run is over: stages that it left out count as done."""
        self._report(1.0)

    def loading(self, what: str) -> None:
        """Raises Cancelled."""
        self._whole.loading(what)

    def downloading(self, file: str, received: int, of: int, wait: float = 0.0) -> None:
        """Raises Cancelled."""
        self._whole.downloading(file, received, of, wait)

    def preview(self, file: str) -> None:
        """Raises Cancelled. A preview that cannot be copied is left out."""
        try:
            shutil.copy(self._folder.outputs / file, self._job.outputs / file)
        except OSError as error:
            logger.warning("The preview %s is left out: %s", file, error)
            self._whole.check()
        else:
            self._whole.preview(file)

    def warn(self, text: str) -> None:
        """A remark for the result."""
        self._whole.warn(text)

    def check(self) -> None:
        """Raises Cancelled."""
        self._whole.check()

    def outside_stages(self, name: str) -> AbstractContextManager[None]:
        """Seconds that belong to no stage."""
        return self._whole.outside_stages(name)

    def _report(self, done: float) -> None:
        self._ticks = max(self._ticks, round(TICKS * (self._turn + done) / self._turns))
        self._whole.stage(self._stage, self._ticks, TICKS)
