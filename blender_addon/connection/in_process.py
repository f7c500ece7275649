# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker inside Blender's own Python, where torch is importable: for background scripts and tests.

The same class as in the child runs the same jobs, so results are the same byte for byte. Blender freezes
meanwhile.
"""

import importlib
import importlib.util
import logging
import os
from collections import deque
from typing import Any

import bpy

from ..backend.contract import (
    Event,
    MeshwrightError,
    Message,
    Remedy,
    Shutdown,
    StageProgress,
    Submit,
)
from ..backend.worker_client import WorkerSettings

log = logging.getLogger(__name__)
CURSOR_STEPS = 1000


class InProcessConnection:
    """See `Connection`. `poll` runs a submitted job to its end before it returns."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._worker: Any = None
        self._said: deque[Event | Message] = deque()
        self._submitted = False

    def start(self) -> None:
        """Make the worker. Raises MeshwrightError when torch or another library is missing in this Python."""
        settings = self._settings
        if importlib.util.find_spec("torch") is None:
            raise _missing("There is no torch in Blender's Python")
        os.environ.update(settings.hub_environment)
        try:
            # Not a plain import: the add-on must load where torch is missing.
            room: Any = importlib.import_module("..backend.worker", __package__)
            self._worker = room.Worker(self._hear, room.Settings(
                settings.models, settings.device, settings.second_device, settings.memory_mode, settings.statistics,
                settings.compile, settings.background_model))
            self._said.append(self._worker.ready())
        except ImportError as error:
            raise _missing(str(error)) from error

    def send(self, message: Message) -> None:
        """Hand a message to the worker; a job starts with the next `poll`."""
        self._submitted = self._submitted or isinstance(message, Submit)
        self._worker.handle(message)

    def poll(self) -> list[Event | Message]:
        """Run what was submitted, to its end, and return all that was said."""
        if self._submitted:
            self._submitted = False
            progress = bpy.context.window_manager
            progress.progress_begin(0, CURSOR_STEPS)
            try:
                while self._worker.run_next():
                    log.debug("A job ended in Blender's own process")
            finally:
                progress.progress_end()
        said = list(self._said)
        self._said.clear()
        return said

    def alive(self) -> bool:
        """True from `start` to `close`."""
        return self._worker is not None

    def close(self) -> None:
        """Let go of the worker and its models."""
        if self._worker is not None:
            self._worker.handle(Shutdown())
            self._worker = None

    terminate = close
    kill = close

    def mute(self) -> bool:
        """Never: it speaks within `poll`."""
        return False

    def exit_status(self) -> int | None:
        """None: it is no process of its own."""
        return None

    def last_log_lines(self) -> list[str]:
        """Nothing: its log goes where Blender's own goes, and into the job's folder."""
        return []

    def _hear(self, event: Event) -> None:
        self._said.append(event)
        if isinstance(event, StageProgress):
            _show(int(event.fraction * CURSOR_STEPS))


def _show(steps: int) -> None:
    """Blender's progress cursor: the whole job's share done."""
    bpy.context.window_manager.progress_update(steps)


def _missing(why: str) -> MeshwrightError:
    return MeshwrightError("Jobs cannot run in Blender's own Python.", f"{why}.",
                           "Choose Run In: Separate Process in the preferences.", Remedy.OPEN_PREFERENCES)
