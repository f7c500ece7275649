# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as a child process with its own Python: JSON lines over pipes, no ports, no pickle, no threads."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from typing import IO, cast

from ..backend.contract import (
    BadInput,
    Event,
    MeshwrightError,
    Message,
    Remedy,
    Shutdown,
    item_of,
    line_of,
)
from ..backend.worker_client import WorkerSettings, command_line, environment
from ..process_tree import ProcessTree
from .pipe_reading import LineReader

log = logging.getLogger(__name__)

BUDGET_SECONDS = 0.004
LINES_AT_ONCE = 500
LOG_LINES_KEPT = 200
REAP_SECONDS = 1.0


class SubprocessConnection:
    """See `Connection`. The child ends with Blender: the end of its input tells it, also when Blender crashed."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._unsent = bytearray()
        self._log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._closed = False

    def start(self) -> None:
        """Start the child. Raises MeshwrightError when its Python cannot be run. Call it in the main thread."""
        try:
            self._tree = ProcessTree(
                command_line(self._settings), cwd=self._settings.root, env=environment(self._settings),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise MeshwrightError("The engine's Python cannot be started.",
                                  f"{self._settings.python}: {error.strerror or error}.",
                                  "Install the engine in the preferences.", Remedy.OPEN_PREFERENCES) from error
        self._process = self._tree.process
        survive_broken_pipes()
        self._input = cast(IO[bytes], self._process.stdin)
        if sys.platform != "win32":  # there a small message into a pipe that the child reads all the time goes through
            os.set_blocking(self._input.fileno(), False)
        self._output = LineReader(cast(IO[bytes], self._process.stdout))
        self._errors = LineReader(cast(IO[bytes], self._process.stderr))

    @property
    def process_id(self) -> int | None:
        """The child's process id, None before it was started."""
        return self._process.pid if self._process else None

    def send(self, message: Message) -> None:
        """Queue one line and write as much as the pipe takes now; `poll` writes the rest."""
        self._unsent += line_of(message)
        self._write()

    def poll(self) -> list[Event | Message]:
        """Events and messages that have come. Lines that are neither go to the log."""
        if self._process is None or self._closed:
            return []
        self._write()
        self._read_log()
        deadline = time.monotonic() + BUDGET_SECONDS
        items: list[Event | Message] = []
        while (line := self._output.next_line()) is not None:
            items.extend(self._understood(line))
            if time.monotonic() > deadline:
                break
        return items

    def alive(self) -> bool:
        """True while the child runs or something that it said is still unread."""
        if self._process is None or self._closed:
            return False
        return self._process.poll() is None or self._output.has_line()

    def mute(self) -> bool:
        """True when the child runs and can never say anything more: it has closed its standard output."""
        return self.alive() and self._output.ended and not self._output.has_line()

    def close(self) -> None:
        """Say goodbye and end the child's input, which it takes as the order to end."""
        if self._process is None or self._input.closed:
            return
        self.send(Shutdown())
        self._input.close()

    def terminate(self) -> None:
        """SIGTERM to the child and what it started; on Windows this is already `kill`."""
        if self._process is not None:
            self._tree.end(force=False)

    def kill(self) -> None:
        """SIGKILL to the child and what it started; its last words are read and the pipes closed."""
        if self._process is None:
            return
        self._tree.end(force=True)
        try:
            self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:  # stuck in a driver; the system takes it away when that returns
            log.warning("The worker %d does not end", self._process.pid)
        if not self._closed:
            self._read_log()
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                cast(IO[bytes], stream).close()
            self._closed = True

    def last_log_lines(self) -> list[str]:
        """The last lines that the child wrote to its standard error or, wrongly, to its standard output."""
        return list(self._log)

    def exit_status(self) -> int | None:
        """The child's exit code, a signal as a negative number; None while it runs."""
        return self._process.poll() if self._process else None

    def _write(self) -> None:
        if not self._unsent or self._input.closed:
            return
        try:
            written = os.write(self._input.fileno(), self._unsent)
        except BlockingIOError:
            return
        except OSError as error:  # the child has ended, which `alive` reports
            log.info("The worker takes no more messages: %s", error)
            written = len(self._unsent)
        del self._unsent[:written]

    def _read_log(self) -> None:
        for _ in range(LINES_AT_ONCE):
            line = self._errors.next_line()
            if line is None:
                return
            self._log.append(line)
            log.debug("worker: %s", line)

    def _understood(self, line: str) -> list[Event | Message]:
        try:
            return [item_of(line)]
        except BadInput as error:  # all that `item_of` raises: no line takes its neighbors with it
            log.warning("The worker said something that is no message (%s): %.200s", error.report.why, line)
            self._log.append(line[:1000])
            return []


def survive_broken_pipes() -> None:
    """Have a write to a pipe that nobody reads any more raise BrokenPipeError instead of ending this process.

    Python's own program sees to that; a Blender before 5 that embeds Python does not, so that a message to a worker
    that was killed would end Blender. Children are not affected: `Popen` gives them the signal's default back. A
    handler that somebody else has installed stays. Call it in the main thread.
    """
    if sys.platform != "win32" and signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

