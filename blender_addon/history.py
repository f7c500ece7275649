# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier jobs, read from their folders: what a crash of Blender, of the worker or of the machine cannot take away."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .backend.contract import ErrorReport, JobFolder, MeshwrightError, Request
from .backend.contract.plain_name import is_plain_name
from .jobs.queue import DELIVERED_NOTE

State = Literal["finished", "failed", "cancelled", "unfinished", "unreadable"]
DISCARDED = ".deleted-"
"""What the names of folders begin with that are being deleted."""
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


def entries(jobs_folder: Path, limit: int | None = None) -> list[Entry]:
    """The newest jobs first. Reads one small file for each of the `limit` jobs, and none for the others.

    For scripts and recovery: it takes as long as there are jobs. `gallery` walks them in small steps.
    """
    newest = sorted(_requests(jobs_folder), reverse=True)[:limit]
    return [entry_of(Path(path), started_at) for started_at, path in newest]


def undelivered(jobs_folder: Path) -> list[Entry]:
    """Finished jobs whose result has never reached a scene, however old: what to offer after a crash."""
    waiting = [entry_of(Path(path), started_at) for started_at, path in sorted(_requests(jobs_folder), reverse=True)
               if Path(path, _RESULT).is_file() and not Path(path, DELIVERED_NOTE).is_file()]
    return [entry for entry in waiting if entry.state == "finished" and entry.has_artifacts()]


def job_folder(jobs_folder: Path, name: str) -> JobFolder:
    """The folder of the job of that name, which may come from a file that somebody sent: nothing outside of
    `jobs_folder` is ever reached. It need not exist. Raises MeshwrightError for a name that no job has."""
    path = jobs_folder / name
    if not is_plain_name(name) or path.is_symlink():
        raise MeshwrightError("This is not a job's folder.", f"No job is called {name[:100]!r}.",
                              "Refresh the history.")
    return JobFolder(path)


def discard(jobs_folder: Path, name: str) -> Path:
    """Take a job out of the history for good. Its folder has another name then, which is returned and is still to be
    deleted. Raises MeshwrightError when it is no job's or cannot be deleted."""
    path = job_folder(jobs_folder, name).path
    if not (path / _REQUEST).is_file():
        raise MeshwrightError("This is not a job's folder.", f"There is no {_REQUEST} in {path}.",
                              "Refresh the history.")
    try:
        return path.rename(jobs_folder / f"{DISCARDED}{uuid.uuid4().hex}")
    except OSError as error:
        raise MeshwrightError("The folder of the job cannot be deleted.", f"{path}: {error.strerror}.",
                              "Close the program that uses it, or delete it by hand.") from error


def delete(jobs_folder: Path, name: str) -> None:
    """Delete a job's folder for good, at once. Raises MeshwrightError as `discard` does."""
    shutil.rmtree(discard(jobs_folder, name), ignore_errors=True)  # what is in use goes with the next start


def entry_of(path: Path, started_at: float) -> Entry:
    """What the files of one job say."""
    folder = JobFolder(path)
    delivered = (folder.path / DELIVERED_NOTE).is_file()
    try:
        return Entry(folder, started_at, _state(folder), folder.read_request(), delivered)
    except MeshwrightError:
        return Entry(folder, started_at, "unreadable", None, delivered)


def _requests(jobs_folder: Path) -> Iterator[tuple[float, str]]:
    """(time of its request, path) of every job folder."""
    if not jobs_folder.is_dir():
        return
    with os.scandir(jobs_folder) as items:
        for item in items:
            request = Path(item.path, _REQUEST)
            if is_plain_name(item.name) and item.is_dir(follow_symlinks=False) and request.is_file():
                yield request.stat().st_mtime, item.path


def _state(folder: JobFolder) -> State:
    if (folder.path / _RESULT).is_file():
        return "finished"
    if (folder.path / _ERROR).is_file():
        return "failed"
    return "cancelled" if _was_cancelled(folder) else "unfinished"


def _was_cancelled(folder: JobFolder) -> bool:
    """Whether the last event says so; only the end of the file is read."""
    path = folder.path / _EVENTS
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().splitlines()
    return bool(lines) and _CANCELLED in lines[-1]
