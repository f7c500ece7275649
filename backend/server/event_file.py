# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients hear of a job: stream.jsonl in its folder, which can be taken up again by the number of a line.

The worker's own events.jsonl begins anew with every attempt; this file goes on, and is written by whoever has the job:
the server before and between attempts, the engine during one.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ..contract import TERMINAL_EVENTS, Event, JobFolder, event_from_json, event_to_json

SECONDS_BETWEEN_LOOKS = 0.05
TERMINAL_NAMES = ("done", "failed", "cancelled")
_NAME = "stream.jsonl"


def append(folder: JobFolder, event: Event) -> None:
    """Add an event. Raises OSError."""
    file = os.open(folder.path / _NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, json.dumps(event_to_json(event)).encode("ascii") + b"\n")  # at once, so that lines stay whole
    finally:
        os.close(file)


def last_event(folder: JobFolder) -> Event | None:
    """The terminal event, if the job has ended; else None."""
    found = None
    for _, data in _lines(folder.path / _NAME, 0)[0]:
        if data.get("event") in TERMINAL_NAMES:
            found = event_from_json(data)
    assert found is None or isinstance(found, TERMINAL_EVENTS)
    return found


def keep_workers_end(folder: JobFolder) -> None:
    """Add the terminal event that a worker has left where nobody was there to hear it. Raises OSError."""
    if last_event(folder) is None:
        for event in folder.events():
            if isinstance(event, TERMINAL_EVENTS):
                append(folder, event)
                return


def drop_torn_line(folder: JobFolder) -> None:
    """Cut off half a line that a crash left at the end, so that the next event begins a line of its own."""
    path = folder.path / _NAME
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


async def events_after(folder: JobFolder, last: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """The events behind number `last` as (number, JSON object), also those still to come, up to the terminal one.

    Ends early where the folder is deleted.
    """
    path = folder.path / _NAME
    offset, number = 0, 0
    while folder.path.is_dir():
        found, offset = _lines(path, offset)
        for _, data in found:
            number += 1
            if number > last:
                yield number, without_details(data)
            if data.get("event") in TERMINAL_NAMES:
                return
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def without_details(data: dict[str, Any]) -> dict[str, Any]:
    """The event without an error's details: a traceback is for the server's log."""
    if data.get("event") != "failed":
        return data
    return {**data, "error": {**data["error"], "details": ""}}


def _lines(path: Path, offset: int) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """The whole lines behind `offset`, each with the offset of its end, and the offset of the last one's."""
    try:
        if path.stat().st_size <= offset:
            return [], offset
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    found = []
    for line in content[:content.rfind(b"\n") + 1].splitlines(keepends=True):
        offset += len(line)
        found.append((offset, json.loads(line)))
    return found, offset
