# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that several processes change: a worker for each Blender, and the command line. One at a time is inside."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)
_TICK = 0.1  # seconds between two looks at a lock that another process holds


def _nothing() -> None:
    """Waits without a word."""


@contextmanager
def exclusive(path: Path, tick: Callable[[], None] = _nothing) -> Iterator[None]:
    """Hold the lock of a file, which need not exist; its folder must. Others wait, in this process too.

    `tick` is called every tenth of a second of waiting and may raise. The system frees the lock of a process that dies.
    Where the file system has no locks the body runs without one. Raises OSError for a folder that cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    try:
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_TICK, poll_interval=_TICK / 5)
            except Timeout:
                tick()
    except NotImplementedError as error:  # filelock's word for a file system without flock
        _log.warning("%s is used without a lock: %s", path, error)
    try:
        yield
    finally:
        lock.release()


def in_use(path: Path) -> bool:
    """Whether a process holds the lock of this file now. Raises OSError."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
