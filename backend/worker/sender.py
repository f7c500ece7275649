# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends events and messages from a thread of its own, so that a reader who is busy never holds up the GPU.

A pipe holds 64 KiB on Linux and 4 KiB on Windows; Blender does not read while it renders or saves. What waits then is
not a backlog but the present state: progress that was not sent yet is replaced by later progress.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count

from ..contract import Downloading, Event, Message, Preview, StageProgress

SECONDS_FOR_LAST_WORDS = 1.5
"""How long `finish` waits for a reader. It is for the end of a process whose reader may have ended too."""


class Sender:
    """`send` may be called from any thread and does not wait. The order is that of the calls."""

    def __init__(self, write: Callable[[Event | Message], None]) -> None:
        """`write` may block; it is called by one thread at a time. What it raises as OSError ends the sending."""
        self._write = write
        self._waiting: OrderedDict[Hashable, Event | Message] = OrderedDict()
        self._numbers = count()
        self._changed = threading.Condition()
        self._busy = self._broken = False
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def send(self, item: Event | Message) -> None:
        """Queue an item; it takes the place of an unsent one that it makes obsolete."""
        with self._changed:
            if self._broken:
                return
            key = _subject(item) or next(self._numbers)
            self._waiting.pop(key, None)
            self._waiting[key] = item
            self._changed.notify_all()

    def finish(self, seconds: float = SECONDS_FOR_LAST_WORDS) -> None:
        """Wait until everything is sent, that long at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or not (self._waiting or self._busy), seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                _, item = self._waiting.popitem(last=False)
                self._busy = True
            try:
                self._write(item)
            except OSError:  # the reader has ended, which whoever reads from it notices; Windows has no SIGPIPE
                self._broken = True
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if self._broken:
                    self._waiting.clear()
                    return


def _subject(item: Event | Message) -> Hashable | None:
    """What a report is about, if a later report about the same makes it obsolete; None for what must arrive."""
    match item:
        case StageProgress(job, stage):
            return "stage", job, stage
        case Downloading(job, file):
            return "downloading", job, file
        case Preview(job, file):
            return "preview", job, file
    return None
