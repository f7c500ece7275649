# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender tells the worker, one JSON object a line, and the worker's greeting."""

from dataclasses import dataclass
from typing import Any

from .json_form import Tagged
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
class Ready:
    """The worker's first line: it speaks `version` and computes on `device` ("cuda:0 · NVIDIA H200")."""

    device: str
    process: int
    version: int = VERSION


Message = Submit | Cancel | FreeMemory | Shutdown | Ready
_FORM = Tagged("message", {
    "submit": Submit, "cancel": Cancel, "free_memory": FreeMemory, "shutdown": Shutdown, "ready": Ready,
})


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as a JSON object; its kind stands under "message"."""
    return _FORM.to_json(message)


def message_from_json(data: Any) -> Message:
    """Raises BadInput on an unknown kind or an unfitting field."""
    return _FORM.from_json(data)
