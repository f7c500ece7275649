# SPDX-License-Identifier: GPL-3.0-or-later
"""Network work that a cancel can leave at once, even while a server keeps silent."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")
_TICK = 0.1  # seconds between two looks
_FAREWELL = 0.5  # seconds that the work has to close its file after it was asked to stop


def interruptible(work: Callable[[threading.Event], T], tick: Callable[[], None]) -> T:
    """Run `work(stop)` on a thread of its own, call `tick` every tenth of a second, and return the work's result.

    A blocking read cannot be interrupted from outside, so the work runs apart: when `tick` raises, `stop` is set and
    the exception goes on at once. The work must not touch its files any more once `stop` is set.
    """
    stop = threading.Event()
    outcome: Future[T] = Future()

    def body() -> None:
        try:
            outcome.set_result(work(stop))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            outcome.set_exception(error)

    thread = threading.Thread(target=body, daemon=True, name="weights download")
    thread.start()
    try:
        while not outcome.done():
            tick()
            wait([outcome], _TICK)
    finally:
        stop.set()
        thread.join(_FAREWELL)
    return outcome.result()
