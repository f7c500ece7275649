# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier jobs, read from their folders: what a crash of Blender, of the worker or of the machine cannot take away."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .backend.contract import ErrorReport, JobFolder, MeshwrightError, Request
from .jobs.queue import DELIVERED_NOTE

State = Literal["finished", "failed", "cancelled", "unfinished", "unreadable"]
_REQUEST, _RESULT, _ERROR, _EVENTS = "request.json", "result.json", "error.json", "events.jsonl"
_CANCELLED = b'"event": "cancelled"'


@dataclass(frozen=True)
class Entry:
    """One job folder. `request` is None when it cannot be read; `started_at` is in seconds since 1970.

    "unfinished" is a job that waits or runs, or that a crash cut off.
    """

    folder: JobFolder
    started_at: float
    state: State
    request: Request | None
    delivered: bool

    def error(self) -> ErrorReport | None:
        """Why the job failed. Raises MeshwrightError when that cannot be read."""
        return self.folder.read_error()

    def has_artifacts(self) -> bool:
        """Whether there is a result that could come into a scene; one that a full disk cut off is none."""
        try:
            result = self.folder.read_result()
        except MeshwrightError:
            return False
        return result is not None and bool(result.artifacts)


def entries(jobs_folder: Path, limit: int = 50) -> list[Entry]:
    """The newest jobs first. Reads one small file for each of the `limit` jobs, and none for the others."""
    newest = sorted(_requests(jobs_folder), reverse=True)[:limit]
    return [_entry(JobFolder(Path(path)), started_at) for started_at, path in newest]


def undelivered(jobs_folder: Path, limit: int = 50) -> list[Entry]:
    """Finished jobs among the newest whose result has never reached a scene: what to offer after a crash."""
    return [entry for entry in entries(jobs_folder, limit)
            if entry.state == "finished" and not entry.delivered and entry.has_artifacts()]


def delete(jobs_folder: Path, name: str) -> None:
    """Delete a job's folder for good. Raises MeshwrightError when it is no job's or cannot be deleted."""
    path = jobs_folder / name
    if path.parent != jobs_folder or not (path / _REQUEST).is_file():
        raise MeshwrightError("This is not a job's folder.", f"There is no {_REQUEST} in {path}.",
                              "Refresh the history.")
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise MeshwrightError("The folder of the job cannot be deleted.", f"{error.filename}: {error.strerror}.",
                              "Close the program that uses it, or delete it by hand.") from error


def total_bytes(jobs_folder: Path) -> int:
    """Size of all job folders together. Looks at every file: not for a panel's draw."""
    return sum(Path(path, file).stat().st_size for path, _, files in os.walk(jobs_folder) for file in files)


def _requests(jobs_folder: Path) -> Iterator[tuple[float, str]]:
    """(time of its request, path) of every job folder."""
    if not jobs_folder.is_dir():
        return
    with os.scandir(jobs_folder) as items:
        for item in items:
            request = Path(item.path, _REQUEST)
            if request.is_file():
                yield request.stat().st_mtime, item.path


def _entry(folder: JobFolder, started_at: float) -> Entry:
    delivered = (folder.path / DELIVERED_NOTE).is_file()
    try:
        return Entry(folder, started_at, _state(folder), folder.read_request(), delivered)
    except MeshwrightError:
        return Entry(folder, started_at, "unreadable", None, delivered)


def _state(folder: JobFolder) -> State:
    if (folder.path / _RESULT).is_file():
        return "finished"
    if (folder.path / _ERROR).is_file():
        return "failed"
    return "cancelled" if _was_cancelled(folder) else "unfinished"


def _was_cancelled(folder: JobFolder) -> bool:
    """Whether the last event tells so; only the end of the file is read."""
    path = folder.path / _EVENTS
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().splitlines()
    return bool(lines) and _CANCELLED in lines[-1]
