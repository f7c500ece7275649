# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a download goes on asking a hub that gives nothing: a few times, with growing pauses, or as long as it asks
for itself (Retry-After)."""

import datetime
import email.utils
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError

from ..contract import Cancelled

T = TypeVar("T")
_log = logging.getLogger(__name__)
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds after each fruitless request in a row; after one more the download gives up."""
FRUITFUL = 1 << 16
"""Bytes that a request must bring to count for something."""
LONGEST_WAIT = 600.0
"""Seconds that a download waits when the hub asks for it; where it asks for more, it gives up and says so."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)


@dataclass
class Received:
    """How far a transfer is, for the thread that watches it."""

    bytes: int = 0
    wait_until: float = 0.0

    @property
    def wait(self) -> float:
        """Seconds until the next request; 0 while one is under way."""
        return max(0.0, self.wait_until - time.monotonic())


class Patience:
    """Counts the fruitless requests of one file and waits between them."""

    def __init__(self, received: Received, stop: threading.Event) -> None:
        self._received, self._stop, self._fruitless = received, stop, 0

    def after(self, gained: int, error: Exception) -> None:
        """Wait as is due after a request that brought `gained` bytes and ended early with an error.

        Raises that error when it is final or the last of too many, and Cancelled when `stop` was set.
        """
        if isinstance(error, HfHubHTTPError) and error.response.status_code not in _PASSING:
            raise error
        self._fruitless = 0 if gained >= FRUITFUL else self._fruitless + 1
        asked = retry_after(error)
        if self._fruitless > len(PAUSES) or (asked or 0.0) > LONGEST_WAIT:
            raise error
        pause = PAUSES[max(self._fruitless - 1, 0)] if asked is None else asked
        _log.info("Trying again in %.0f s: %s", pause, error)
        self._received.wait_until = time.monotonic() + pause
        self._stop.wait(pause)
        if self._stop.is_set():
            raise Cancelled


def patiently(ask: Callable[[], T], received: Received, stop: threading.Event) -> T:
    """The answer to a question that a busy hub may only answer later. Raises what `ask` raises, and Cancelled."""
    patience = Patience(received, stop)
    while True:
        try:
            return ask()
        except HfHubHTTPError as error:
            patience.after(0, error)


def retry_after(error: Exception) -> float | None:
    """Seconds that the hub asks to wait, from a refusal's Retry-After: a number or a date. None where it asks not."""
    if not isinstance(error, HfHubHTTPError):
        return None
    text = error.response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
        seconds = (moment - datetime.datetime.now(datetime.UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # nonsense, or a date without a zone
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
