# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker reports of a job while it runs. Exactly one terminal event ends a job."""

from dataclasses import dataclass
from typing import Any

from .error import ErrorReport
from .json_form import Tagged
from .plain_name import check_file_name, check_job_name
from .result import Result


@dataclass(frozen=True)
class Queued:
    """The job waits; `ahead` jobs come first."""

    job: str
    ahead: int = 0


@dataclass(frozen=True)
class Downloading:
    """Bytes of weights that arrived; `of` is 0 while the size is unknown. `wait` are the seconds until the hub is asked
    again, where it asked for that or did not answer."""

    job: str
    file: str
    bytes: int
    of: int
    wait: float = 0.0


@dataclass(frozen=True)
class Loading:
    """Weights are read into memory: `what` is the component."""

    job: str
    what: str


@dataclass(frozen=True)
class StageProgress:
    """`step` of `of` in one stage is done. `fraction` is the whole job's share done, in [0, 1].

    `seconds_left` for the whole job comes from earlier runs on this machine; None until one is known.
    """

    job: str
    stage: str
    step: int
    of: int
    fraction: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Preview:
    """A file in the job folder's `outputs/` that shows the work so far: an image, or a mesh as an npz in the form
    and the frame of a "mesh" artifact.

    The file appears whole or not at all and may be replaced by the next one of its name; it is reported at most five
    times a second. It is no artifact: nothing is delivered from it.
    """

    job: str
    file: str

    def __post_init__(self) -> None:
        """Raises BadInput for a file that could lie elsewhere."""
        check_file_name(self.file)


@dataclass(frozen=True)
class LogLine:
    """One line for the job's log, and for the artist when `level` is "warning"."""

    job: str
    text: str
    level: str = "info"


@dataclass(frozen=True)
class Done:
    """The job ended well."""

    job: str
    result: Result


@dataclass(frozen=True)
class Failed:
    """The job ended with an error."""

    job: str
    error: ErrorReport


@dataclass(frozen=True)
class CancelledEvent:
    """The job was stopped by the artist."""

    job: str


Event = Queued | Downloading | Loading | StageProgress | Preview | LogLine | Done | Failed | CancelledEvent
TERMINAL_EVENTS = (Done, Failed, CancelledEvent)
_FORM = Tagged("event", {
    "queued": Queued, "downloading": Downloading, "loading": Loading, "stage": StageProgress, "preview": Preview,
    "log": LogLine, "done": Done, "failed": Failed, "cancelled": CancelledEvent,
})


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object; its kind stands under "event"."""
    return _FORM.to_json(event)


def event_from_json(data: Any) -> Event:
    """Raises BadInput on an unknown kind, an unfitting field, or a name that no job can have."""
    event: Event = _FORM.from_json(data)
    check_job_name(event.job)
    return event
