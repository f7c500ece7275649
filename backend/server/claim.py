# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on a job: files in its folder, so that engines on several machines and a server that restarts agree.

    attempt.1   made by whoever begins the first attempt, and by nobody else; touched while it goes on
    cancel      the client asked to stop
"""

import asyncio
import os
from pathlib import Path

TOUCH_SECONDS = 1.0
SILENT_SECONDS = 4.0
"""An attempt that was not touched for so long has ended with its engine."""


class Claim:
    """The right to make one attempt at the job in `folder`."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self._path = folder / f"attempt.{attempt}"
        self._cancel = folder / "cancel"

    def take(self) -> bool:
        """True for the first caller only, also among several machines."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    @property
    def taken(self) -> bool:
        """Whether the attempt has begun."""
        return self._path.exists()

    def touch(self) -> None:
        """Show that the attempt goes on."""
        os.utime(self._path)

    def ask_to_cancel(self) -> None:
        """Have whoever holds the claim stop."""
        self._cancel.touch()

    @property
    def cancelled(self) -> bool:
        """Whether the client asked to stop."""
        return self._cancel.exists()

    async def goes_on(self) -> bool:
        """Whether somebody still touches it. Takes `SILENT_SECONDS` at most; clocks of two machines are not compared.
        """
        if not self.taken:
            return False
        before = self._path.stat().st_mtime_ns
        for _ in range(int(SILENT_SECONDS / 0.25)):
            await asyncio.sleep(0.25)
            if self._path.stat().st_mtime_ns != before:
                return True
        return False
