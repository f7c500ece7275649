# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of one job: written before the work starts, kept after it ends, so that nothing finished is ever lost.

    request.json  inputs/  outputs/  events.jsonl  log.txt  result.json | error.json
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .error import BadInput, ErrorReport, MeshwrightError, Remedy, unwritable_folder
from .event import TERMINAL_EVENTS, Event, event_from_json, event_to_json
from .json_form import from_json, parse, to_json
from .request import Request
from .result import Result
from .whole_file import write_text_whole

_EVENTS = "events.jsonl"
_ENDS = tuple(b'{"event": "%s"' % kind for kind in (b"done", b"failed", b"cancelled"))


class JobFolder:
    """Reads and writes one job's folder. Every JSON file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.inputs = self.path / "inputs"
        self.outputs = self.path / "outputs"
        self.log = self.path / "log.txt"
        self.thumbnail = self.path / "thumbnail.png"

    @classmethod
    def create(cls, path: Path) -> "JobFolder":
        """A new, empty job folder that only this user may read: an artist's images and prompts are private.

        Raises MeshwrightError when it cannot be written.
        """
        folder = cls(path)
        try:
            folder.path.mkdir(mode=0o700, parents=True)
            folder.inputs.mkdir()
            folder.outputs.mkdir()
        except OSError as error:
            raise unwritable_folder(folder.path, error) from error
        return folder

    def exists(self) -> bool:
        """Whether a request is in it: nobody may write into a folder that is no job's."""
        return (self.path / "request.json").is_file()

    def write_request(self, request: Request) -> None:
        """Last step of a capture: from here on the job exists."""
        self._write("request.json", request.to_json())

    def read_request(self) -> Request:
        """Raises BadInput for another version or unfitting fields, MeshwrightError when there is none."""
        return Request.from_json(self._read("request.json"))

    def write_result(self, result: Result) -> None:
        """Mark the job as finished."""
        self._write("result.json", result.to_json())

    def read_result(self) -> Result | None:
        """The result, or None while the job is not finished."""
        if not (self.path / "result.json").is_file():
            return None
        return Result.from_json(self._read("result.json"))

    def write_error(self, error: ErrorReport) -> None:
        """Mark the job as failed."""
        self._write("error.json", to_json(error))

    def read_error(self) -> ErrorReport | None:
        """The error, or None when the job did not fail."""
        if not (self.path / "error.json").is_file():
            return None
        return from_json(ErrorReport, self._read("error.json"), "error")

    def write_note(self, name: str, data: Mapping[str, Any]) -> None:
        """A small JSON file of the caller's own next to the job (`delivery.json`: where Blender puts the result)."""
        self._write(name, to_json(data))

    def read_note(self, name: str) -> dict[str, Any]:
        """The caller's own JSON file, or an empty object when there is none."""
        return self._read(name) if (self.path / name).is_file() else {}

    def begin(self) -> None:
        """Forget the events and the error of an earlier run of the same job. Raises OSError."""
        for name in (_EVENTS, "error.json"):
            (self.path / name).unlink(missing_ok=True)

    def append_event(self, event: Event) -> None:
        """Keep an event for the history. Of terminal events only the first is kept. Raises OSError."""
        line = json.dumps(event_to_json(event), ensure_ascii=False).encode("utf-8") + b"\n"
        with (self.path / _EVENTS).open("ab+") as file:
            _drop_cut_line(file)
            if not (isinstance(event, TERMINAL_EVENTS) and _has_ended(file)):
                file.write(line)

    def events(self) -> Iterator[Event]:
        """All kept events. Lines that cannot be read, the last one after a crash say, are left out."""
        path = self.path / _EVENTS
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                yield event_from_json(parse(line))
            except BadInput:
                continue

    def _write(self, name: str, data: Any) -> None:
        try:
            write_text_whole(self.path / name, json.dumps(data, ensure_ascii=False, indent=1))
        except OSError as error:
            raise unwritable_folder(self.path, error) from error

    def _read(self, name: str) -> Any:
        try:
            return parse((self.path / name).read_bytes())
        except (OSError, BadInput) as error:
            why = error.report.why if isinstance(error, BadInput) else str(error)
            raise MeshwrightError(f"{name} of this job cannot be read.", why, "Start the job again.",
                                  Remedy.RETRY) from error


def _drop_cut_line(file: BinaryIO) -> None:
    """Remove what a crash left of a last line."""
    if file.seek(0, os.SEEK_END) == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _has_ended(file: BinaryIO) -> bool:
    file.seek(0)
    return any(line.startswith(_ENDS) for line in file)
