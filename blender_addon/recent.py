# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest results on the disk, as the panel shows them: read after each job and on demand, never while drawing."""

import datetime
from dataclasses import dataclass

from . import history
from .backend.contract import MeshwrightError
from .backend.pipelines import registry
from .preferences import jobs_folder

SHOWN = 10


@dataclass(frozen=True)
class Line:
    """One finished job: its folder's name, what it is of, and what was done when."""

    folder: str
    subject: str
    words: str


_lines: tuple[Line, ...] = ()
_total_bytes: int | None = None


def lines() -> tuple[Line, ...]:
    """The results as they were read last, the newest first."""
    return _lines


def total_words() -> str:
    """How much all job folders take, in words, as it was read last."""
    if _total_bytes is None:
        return "Refresh to see earlier results"
    return f"All jobs: {_total_bytes / 1e6:.1f} MB" if _total_bytes else "No results yet"


def refresh() -> None:
    """Read the newest results and the size of all jobs from the disk."""
    global _lines, _total_bytes
    folder = jobs_folder()
    finished = [entry for entry in history.entries(folder) if entry.state == "finished" and entry.has_artifacts()]
    _lines = tuple(_line(entry) for entry in finished[:SHOWN])
    _total_bytes = history.total_bytes(folder)


def _line(entry: history.Entry) -> Line:
    request, moment = entry.request, datetime.datetime.fromtimestamp(entry.started_at)
    assert request is not None, "a finished job can be read"
    try:
        task = registry.spec(request.pipeline).task(request.task).label
    except MeshwrightError:  # of a pipeline that this version does not have
        task = request.task
    return Line(entry.folder.path.name, request.subject, f"{task} · {moment:%d %b %H:%M}")
