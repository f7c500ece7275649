# SPDX-License-Identifier: GPL-3.0-or-later
"""One job as the add-on sees it: plain data that panels draw. No datablock is ever referred to from here."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..backend.contract import (
    CancelledEvent,
    Done,
    Downloading,
    ErrorReport,
    Event,
    Failed,
    JobFolder,
    Loading,
    LogLine,
    MeshwrightError,
    Preview,
    Queued,
    Remedy,
    Request,
    Result,
    StageProgress,
)
from ..backend.pipelines import registry


class JobState(StrEnum):
    """Where a job is. A failed delivery leaves a job DONE, with an error and `delivered` False."""

    QUEUED = "queued"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    RUNNING = "running"
    DELIVERING = "delivering"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


MOST_NOTES = 50
ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass
class Job:
    """`stage` says in the artist's words what happens now; `fraction` is the whole job's share done, in [0, 1];
    `seconds_left` is None while unknown. `preview` is the file that shows the work so far, reported `preview_count`
    times; the same one may have been overwritten. `objects` are the names of what was delivered, `title` says what
    they are. `notes` are remarks that the artist should read with the result. `silent` while its worker does not
    answer.
    """

    request: Request
    folder: JobFolder
    state: JobState = JobState.QUEUED
    stage: str = "Waiting"
    fraction: float = 0.0
    seconds_left: float | None = None
    preview: Path | None = None
    preview_count: int = 0
    result: Result | None = None
    error: ErrorReport | None = None
    notes: list[str] = field(default_factory=list)
    objects: tuple[str, ...] = ()
    title: str = ""
    delivered: bool = False
    cancelling: bool = False
    silent: bool = False

    @property
    def id(self) -> str:
        """The job's name, unique among all jobs."""
        return self.request.job

    @property
    def shows_mesh(self) -> bool:
        """True when its last preview is a mesh; others are images."""
        return self.preview is not None and self.preview.suffix == ".npz"

    @property
    def ended(self) -> bool:
        """True when nothing more happens to it by itself."""
        return self.state in ENDED

    @property
    def waits_for_file(self) -> bool:
        """True when its result waits until the file is open that it was asked from."""
        return self.ended and self.error is not None and self.error.remedy is Remedy.DELIVER_HERE

    def fail(self, error: ErrorReport) -> None:
        """End with an error."""
        self.state, self.stage, self.error = JobState.FAILED, "Failed", error
        self.seconds_left = None

    def wait_again(self) -> None:
        """Go back into the queue, as if it had never started."""
        self.state, self.stage, self.fraction, self.seconds_left = JobState.QUEUED, "Waiting", 0.0, None
        self.preview, self.notes = None, []

    def end_cancelled(self) -> None:
        """End as the artist asked."""
        self.state, self.stage, self.seconds_left = JobState.CANCELLED, "Cancelled", None

    def take(self, event: Event) -> None:
        """Follow one event of the worker. A result of a job that was being cancelled is kept, but not delivered."""
        match event:
            case Queued():
                self.stage = "Waiting"
            case Downloading(_, file, received, of, wait):
                self.state, self.fraction = JobState.DOWNLOADING, _share(received / of if of else 0.0)
                self.stage = f"Downloading {file}, {_megabytes(received)}{f' of {_megabytes(of)}' if of else ''} MB"
                if wait > 0:
                    self.stage = f"The model hub is busy. Next try in {wait:.0f} s"
            case Loading(_, what):
                self.state, self.stage = JobState.LOADING, f"Loading {what}"
            case StageProgress():
                self.state, self.stage = JobState.RUNNING, f"{self._label(event.stage)} {event.step}/{event.of}"
                self.fraction, self.seconds_left = _share(event.fraction), event.seconds_left
            case Preview(_, file):
                self.preview = self.folder.outputs / Path(file).name
                self.preview_count += 1
            case LogLine(_, text, level):
                if level == "warning" and text not in self.notes and len(self.notes) < MOST_NOTES:
                    self.notes.append(text)
            case Done(_, result):
                self._finish(result)
            case Failed(_, error):
                self.fail(error)
            case CancelledEvent():
                self.end_cancelled()
        if self.cancelling and not self.ended:
            self.stage = "Cancelling"

    def deliver_next(self) -> None:
        """Have the result brought into the scene, perhaps once more."""
        self.state, self.stage, self.error, self.delivered = JobState.DELIVERING, "Delivering", None, False

    def _finish(self, result: Result) -> None:
        self.result, self.fraction, self.seconds_left = result, 1.0, None
        self.notes += [note for note in result.notes if note not in self.notes][:MOST_NOTES]
        if self.cancelling:
            self.end_cancelled()
        elif result.artifacts:
            self.deliver_next()
        else:  # a download, say: there is nothing to bring into the scene
            self.state, self.stage, self.delivered = JobState.DONE, "Done", True

    def _label(self, stage: str) -> str:
        try:
            stages = registry.spec(self.request.pipeline).task(self.request.task).stages
        except MeshwrightError:
            return stage
        return next((known.label for known in stages if known.name == stage), stage)


def _share(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}" if size < 100e6 else f"{size / 1e6:.0f}"
