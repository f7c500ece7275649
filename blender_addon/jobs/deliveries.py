# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished jobs on their way into the scene: one after the other, in slices, so that Blender never freezes."""

import logging
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from ..backend.contract import ErrorReport, JobFolder, MeshwrightError
from .job import Job, JobState

log = logging.getLogger(__name__)

DELIVERED_NOTE = "delivered.json"
"""Lies in the folder of a job whose result was put into a scene at least once."""


class Report(Protocol):
    """What a delivery returns: remarks that the artist should read, and what is in the scene now."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks, in order."""

    @property
    def objects(self) -> Sequence[str]:
        """Names of the objects that were made or changed, the main one first."""

    @property
    def title(self) -> str:
        """What they are, in a few words: "6 parts"."""


Deliver = Callable[[JobFolder], Report | Generator[None, None, Report]]
"""Brings a finished job's folder into the scene, at once or in steps; it is closed when it is given up."""


class Deliveries:
    """`deliver` brings a folder into the scene, `blocked` says why that has to wait ("" when it need not)."""

    def __init__(self, deliver: Deliver, blocked: Callable[[], str]) -> None:
        self._deliver, self._blocked = deliver, blocked
        self._job: Job | None = None
        self._steps: Generator[None, None, Report] | None = None

    @property
    def under_way(self) -> bool:
        """True between two slices of one delivery that nothing holds up."""
        return self._job is not None and not self._blocked()

    def step(self, jobs: Sequence[Job]) -> None:
        """One slice of the oldest delivery. One whose job was cancelled is given up, and leaves nothing behind."""
        if self._job is not None and self._job.state is not JobState.DELIVERING:
            self._give_up()
        job = self._job or next((job for job in jobs if job.state is JobState.DELIVERING), None)
        if job is None:
            return
        if reason := self._blocked():
            job.stage = reason
            return
        try:
            report = self._slice(job)
        except MeshwrightError as error:
            job.error = error.report
        except Exception as error:  # whatever Blender's API raises must not stop the queue; it is reported
            log.exception("Delivering %s failed", job.id)
            job.error = ErrorReport("The result could not be added to the scene.", f"{type(error).__name__}: {error}",
                                    "It is kept. Deliver it again from the list of jobs.", None, traceback.format_exc())
        else:
            if report is None:
                return
            job.notes += [note for note in report.notes if note not in job.notes]
            job.delivered, job.objects, job.title = True, tuple(report.objects), report.title
            _note_delivery(job)
        self._job = self._steps = None
        job.state, job.stage = JobState.DONE, "Done" if job.delivered else "Not delivered"

    def _slice(self, job: Job) -> Report | None:
        """The report with the last slice, None while there are more."""
        if self._steps is None:
            begun = self._deliver(job.folder)
            if not isinstance(begun, Generator):
                return begun
            self._job, self._steps, job.stage = job, begun, "Delivering"
        try:
            next(self._steps)
        except StopIteration as end:
            report: Report = end.value
            return report
        return None

    def _give_up(self) -> None:
        steps, self._job, self._steps = self._steps, None, None
        if steps is not None:
            steps.close()


def _note_delivery(job: Job) -> None:
    try:
        job.folder.write_note(DELIVERED_NOTE, {"at": time.time()})
    except MeshwrightError as error:
        log.warning("The delivery of %s is not noted: %s", job.id, error)
