# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a worker still answers: one ping after the other, and how long the last one has waited for its answer."""

import time
from collections.abc import Callable

from ..backend.contract import Ping, Pong

PING_SECONDS, SILENCE_SECONDS, LONGEST_STEP = 2.0, 5.5, 1.5
"""A silent worker is reported after at most the sum of these."""


class Pulse:
    """Counts only time in which Blender listened: after a long render, nobody is blamed for the answer in the pipe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waited = 0.0
        self._asked_at = self._stepped_at = clock()
        self._answered = True
        self.number = 0
        """Of the last ping."""

    @property
    def silent(self) -> bool:
        """Whether the last ping has waited too long for its answer."""
        return self._waited > SILENCE_SECONDS

    def step(self, send: Callable[[Ping], None]) -> None:
        """Ask when it is time. Call it often, after the answers that have come were heard."""
        now = self._clock()
        if not self._answered:
            self._waited += min(now - self._stepped_at, LONGEST_STEP)
        elif now - self._asked_at >= PING_SECONDS:
            self.number, self._asked_at, self._answered = self.number + 1, now, False
            send(Ping(self.number))
        self._stepped_at = now

    def hear(self, pong: Pong) -> None:
        """An answer has come; one to an earlier ping counts for nothing."""
        if pong.number == self.number:
            self._answered, self._waited = True, 0.0
