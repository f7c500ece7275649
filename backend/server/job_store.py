# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's memory: job folders on the disk, each with a note of the server's own, and an index of them."""

import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..contract import Done, Event, Failed, JobFolder, MeshwrightError, Request
from ..contract.json_form import from_json
from .claim import Claim
from .event_file import drop_torn_line, last_event
from .refusal import conflict, unknown

logger = logging.getLogger(__name__)

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]
JOB_ID = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")
_NOTE = "server.json"


@dataclass(frozen=True)
class Note:
    """What the server keeps of a job besides its request.

    Attributes:
        created, accepted: seconds since 1970; `accepted` is None until the job was submitted.
        attempt: number of the attempt that is or was made last; from 1.
        names: the name of each mesh in the file that it was uploaded in, by its name in `inputs/`.
        keys: of the files in the store, by their names here.
        store_error: why the store does not hold them yet; "" when nothing is wrong.
    """

    created: float
    accepted: float | None = None
    attempt: int = 1
    names: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    store_error: str = ""


@dataclass
class Record:
    """One job."""

    id: str
    folder: JobFolder
    request: Request
    note: Note
    _end: Event | None = None

    @property
    def end(self) -> Event | None:
        """Its terminal event. Looked up where it was not noted yet: clients may hear of an end before this server."""
        if self._end is None and self.note.accepted is not None:
            self._end = last_event(self.folder)
        return self._end

    @end.setter
    def end(self, event: Event | None) -> None:
        self._end = event

    @property
    def state(self) -> State:
        """How far it is."""
        if self.end is not None:
            return "done" if isinstance(self.end, Done) else "failed" if isinstance(self.end, Failed) else "cancelled"
        if self.note.accepted is None:
            return "uploading"
        return "running" if self.claim.taken else "queued"

    @property
    def claim(self) -> Claim:
        """Of the current attempt."""
        return Claim(self.folder.path, self.note.attempt)

    @property
    def model(self) -> str:
        """What must be loaded to do it: equal for jobs that share a model."""
        return f"{self.request.pipeline}/{self.request.weights}"

    def update(self, **changes: Any) -> None:
        """Change the note, in the folder too. Raises MeshwrightError when that cannot be written."""
        self.note = replace(self.note, **changes)
        self.folder.write_note(_NOTE, self.note.__dict__)


class JobStore:
    """All jobs below `root`, by id."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self._records: dict[str, Record] = {}
        for path in root.iterdir():
            if JOB_ID.fullmatch(path.name) and (record := _read(path)):
                self._records[path.name] = record

    def __iter__(self) -> Iterator[Record]:
        """All jobs, the latest first."""
        return iter(sorted(self._records.values(), key=lambda record: -record.note.created))

    def __contains__(self, record: Record) -> bool:
        """Whether the job was not deleted."""
        return record.id in self._records

    def get(self, job: str) -> Record:
        """The job. Raises Refusal (404)."""
        record = self._records.get(job)
        if record is None:
            raise unknown("job", job)
        return record

    def create(self, request: Request) -> Record:
        """A new job that waits for its inputs. The same request once more gives the same job.

        Raises Refusal (409) when another request has that id, MeshwrightError when nothing can be written.
        """
        if known := self._records.get(request.job):
            if known.note.accepted is None and known.request == request:
                return known
            if known.note.accepted is not None and replace(known.request, inputs=request.inputs) == request:
                return known
            raise conflict(f"Job {request.job} exists.", "Its request is another one.")
        folder = JobFolder.create(self._root / request.job)
        folder.write_request(request)
        record = Record(request.job, folder, request, Note(time.time()))
        record.update()
        self._records[request.job] = record
        return record

    def rewrite_request(self, record: Record, request: Request) -> None:
        """Replace the request of a job that was not accepted yet. Raises MeshwrightError."""
        record.folder.write_request(request)
        record.request = request

    def delete(self, record: Record) -> None:
        """Remove an ended job, or one that was never submitted. Raises Refusal (409) for another."""
        if record.state in ("queued", "running"):
            raise conflict(f"Job {record.id} goes on.", "Its engine needs its folder.")
        del self._records[record.id]
        shutil.rmtree(record.folder.path, ignore_errors=True)

    def delete_older_than(self, seconds: float) -> None:
        """Remove every job that ended, or was left without a submission, before that time."""
        latest = time.time() - seconds
        for record in list(self._records.values()):
            if record.note.created < latest and record.state not in ("queued", "running"):
                logger.info("Job %s is deleted for its age", record.id, extra={"job": record.id})
                self.delete(record)


def _read(path: Path) -> Record | None:
    folder = JobFolder(path)
    try:
        note = from_json(Note, folder.read_note(_NOTE), _NOTE)
        drop_torn_line(folder)
        return Record(path.name, folder, folder.read_request(), note, last_event(folder))
    except (MeshwrightError, OSError, ValueError) as error:
        logger.warning("The folder %s is no job: %s", path, error)
        return None
