# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender sends the worker, one JSON object a line, and the worker's greeting and answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .error import BadInput
from .json_form import Tagged
from .plain_name import check_job_name
from .version import VERSION


@dataclass(frozen=True)
class Submit:
    """Run the job whose folder this is; its `request.json` is already written."""

    job: str
    folder: str


@dataclass(frozen=True)
class Cancel:
    """Stop a queued or running job; the loaded model stays."""

    job: str


@dataclass(frozen=True)
class FreeMemory:
    """Unload every model that is not in use."""


@dataclass(frozen=True)
class Shutdown:
    """End after the running job was cancelled."""


@dataclass(frozen=True)
class Ping:
    """Are you there? A worker whose greeting has `heartbeat` answers with `Pong` while its reader thread lives."""

    number: int


@dataclass(frozen=True)
class Ready:
    """The worker's first line: it speaks `version` and runs on `device` ("cuda:0 · NVIDIA H200").

    With `heartbeat` it answers a `Ping` at any time, also in the middle of a job.
    """

    device: str
    process: int
    version: int = VERSION
    heartbeat: bool = False


@dataclass(frozen=True)
class Pong:
    """The answer to the ping of this number: the jobs that run and wait now, the running one first."""

    number: int
    jobs: tuple[str, ...] = ()


Message = Submit | Cancel | FreeMemory | Shutdown | Ping | Ready | Pong
MAXIMUM_PATH = 4096
_FORM = Tagged("message", {
    "submit": Submit, "cancel": Cancel, "free_memory": FreeMemory, "shutdown": Shutdown, "ready": Ready,
    "ping": Ping, "pong": Pong,
})


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as a JSON object; its kind stands under "message"."""
    return _FORM.to_json(message)


def message_from_json(data: Any) -> Message:
    """Raises BadInput on an unknown kind, an unfitting field, or a name that no job can have."""
    message: Message = _FORM.from_json(data)
    if isinstance(message, (Submit, Cancel)):
        check_job_name(message.job)
    if isinstance(message, Submit) and not (len(message.folder) <= MAXIMUM_PATH and Path(message.folder).is_absolute()):
        raise BadInput("The folder of this job cannot be used.", f"{message.folder[:100]!r} is no absolute path of at "
                       f"most {MAXIMUM_PATH} characters.", "Choose another folder in the preferences.")
    return message
