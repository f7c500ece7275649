# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of one job: written before the work starts, kept after it ends, so that nothing finished is ever lost.

    request.json  inputs/  outputs/  events.jsonl  log.txt  result.json | error.json
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .error import ErrorReport, MeshwrightError, Remedy, unwritable_folder
from .event import Event, event_from_json, event_to_json
from .json_form import from_json, to_json
from .request import Request
from .result import Result
from .whole_file import write_text_whole


class JobFolder:
    """Reads and writes one job's folder. Every JSON file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.inputs = self.path / "inputs"
        self.outputs = self.path / "outputs"
        self.log = self.path / "log.txt"

    @classmethod
    def create(cls, path: Path) -> "JobFolder":
        """A new, empty job folder. Raises MeshwrightError when it cannot be written."""
        folder = cls(path)
        try:
            folder.inputs.mkdir(parents=True)
            folder.outputs.mkdir()
        except OSError as error:
            raise unwritable_folder(folder.path, error) from error
        return folder

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
        """A small JSON file of the caller's own beside the job (`delivery.json`: where Blender puts the result)."""
        self._write(name, to_json(data))

    def read_note(self, name: str) -> dict[str, Any]:
        """The caller's own JSON file, or an empty object when there is none."""
        return self._read(name) if (self.path / name).is_file() else {}

    def append_event(self, event: Event) -> None:
        """Keep an event for the history."""
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event_to_json(event), ensure_ascii=False) + "\n")

    def events(self) -> Iterator[Event]:
        """All kept events; a last line cut off by a crash is left out."""
        path = self.path / "events.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                data = json.loads(line)
            except json.JSONDecodeError:
                return
            yield event_from_json(data)

    def _write(self, name: str, data: Any) -> None:
        try:
            write_text_whole(self.path / name, json.dumps(data, ensure_ascii=False, indent=1))
        except OSError as error:
            raise unwritable_folder(self.path, error) from error

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MeshwrightError(f"{name} of this job cannot be read.", str(error), "Start the job again.",
                                  Remedy.RETRY) from error
