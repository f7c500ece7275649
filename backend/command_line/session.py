# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in this process that runs one job after the other, and signals that cancel cleanly."""

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
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Session:
    """Use as a context: within it the first Ctrl-C, SIGTERM or SIGHUP cancels the running job, a second one, or one
    between two jobs, ends the program by way of all `finally` clauses. `exit_code` is then as shells expect it.
    """

    def __init__(self, settings: Settings) -> None:
        self._worker = Worker(self._take, settings)
        self._show: Callable[[Event], None] = lambda event: None
        self._outcome: Outcome | None = None
        self._job = ""
        self.exit_code = 0
        self.stages_began = False
        """Whether the last job got as far as computing."""

    def run(self, request: Request, folder: JobFolder, show: Callable[[Event], None]) -> Outcome:
        """Run the job in `folder`, which holds its inputs already, and return its terminal event."""
        folder.write_request(request)
        self._show, self._job, self._outcome, self.stages_began = show, request.job, None, False
        self._worker.submit(request.job, folder.path)
        try:
            while self._worker.run_next():
                pass
        finally:
            self._job = ""
        assert self._outcome is not None, "every job has a terminal event"
        return self._outcome

    @property
    def interrupted(self) -> bool:
        """Whether a signal came."""
        return self.exit_code != 0

    def __enter__(self) -> "Session":
        # One that is ignored from the start, as nohup does with SIGHUP, stays so.
        self._before = {number: signal.signal(number, self._interrupt) for number in _SIGNALS
                        if signal.getsignal(number) != signal.SIG_IGN}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, event: Event) -> None:
        if isinstance(event, TERMINAL_EVENTS):
            self._outcome = event
        self.stages_began |= isinstance(event, StageProgress)
        self._show(event)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        again = self.interrupted
        self.exit_code = 128 + number
        if again or not self._job:
            raise SystemExit(self.exit_code)
        self._worker.cancel(self._job)
