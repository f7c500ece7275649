# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in this process that runs one job after the other, and Ctrl-C that cancels cleanly."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType

from ..contract import (
    TERMINAL_EVENTS,
    CancelledEvent,
    Done,
    Event,
    Failed,
    JobFolder,
    Request,
    StageProgress,
)
from ..worker import Settings, Worker

Outcome = Done | Failed | CancelledEvent
INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class Session:
    """Use as a context: within it the first Ctrl-C cancels the running job, a second one ends the program."""

    def __init__(self, settings: Settings) -> None:
        self._worker = Worker(self._take, settings)
        self._show: Callable[[Event], None] = lambda event: None
        self._outcome: Outcome | None = None
        self._job = ""
        self.interrupted = False
        self.stages_began = False
        """Whether the last job got as far as computing."""

    def run(self, request: Request, folder: JobFolder, show: Callable[[Event], None]) -> Outcome:
        """Run the job in `folder`, which holds its inputs already, and return its terminal event."""
        folder.write_request(request)
        self._show, self._job, self._outcome, self.stages_began = show, request.job, None, False
        self._worker.submit(request.job, folder.path)
        while self._worker.run_next():
            pass
        assert self._outcome is not None, "every job has a terminal event"
        return self._outcome

    def __enter__(self) -> "Session":
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _take(self, event: Event) -> None:
        if isinstance(event, TERMINAL_EVENTS):
            self._outcome = event
        self.stages_began |= isinstance(event, StageProgress)
        self._show(event)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, self._before)
        self.interrupted = True
        self._worker.cancel(self._job)
