# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries the server as a job would, in a child process that is looked at now and then. No bpy."""

import subprocess
import sys
import time
from dataclasses import dataclass

from ..backend.worker_client import WorkerSettings, command_line, environment

PATIENCE_SECONDS = 20.0


@dataclass
class ConnectionTest:
    """What the last try said; `well` is None while it goes on and before the first."""

    words: str = ""
    well: bool | None = None
    _process: subprocess.Popen[str] | None = None
    _deadline: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether a try goes on."""
        return self._process is not None

    def begin(self, settings: WorkerSettings) -> None:
        """Start a try; one that goes on is left out. Raises OSError when Python cannot be started."""
        self.end()
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW
        self._process = subprocess.Popen(
            [*command_line(settings), "--test"], env=environment(settings), cwd=settings.root, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, creationflags=flags)
        self.words, self.well = "Trying the server", None
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    def poll(self) -> bool:
        """One look, without waiting; True while the try goes on."""
        if self._process is None:
            return False
        if self._process.poll() is None and time.monotonic() < self._deadline:
            return True
        late = self._process.poll() is None
        if late:
            self._process.kill()
        said, complained = self._process.communicate()  # a few lines, and the process has ended
        self.well = self._process.returncode == 0
        text = said if self.well else complained
        self.words = "The server does not answer." if late else " ".join(text.split()) or "The try said nothing."
        self._process = None
        return False

    def end(self) -> None:
        """Give up a try that goes on."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
