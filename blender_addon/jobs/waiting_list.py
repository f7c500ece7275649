# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that wait or run, on the disk: they come back when Blender ended before they did.

    <jobs>/.queue/<session>/lock, <time>-<job>

Each Blender has a folder of its own and holds its lock for as long as it lives. Whoever gets the lock of another folder
knows that its Blender has ended, and takes its jobs over; they keep their order.
"""

import logging
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

FOLDER, LOCK = ".queue", "lock"

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class WaitingList:
    """Of one session of Blender. A disk that takes nothing costs the list, never a job: that is only logged."""

    def __init__(self, jobs_folder: Path) -> None:
        self._root = jobs_folder / FOLDER
        self._own: Path | None = None
        self._lock: IO[bytes] | None = None
        self._entries: dict[str, Path] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def add(self, name: str, folder: Path) -> None:
        """Keep a job until `remove`."""
        try:
            own = self._own_folder()
            entry = own / f"{time.time_ns():020d}-{name}"
            draft = own / f".{entry.name}"
            draft.write_text(str(folder.absolute()), "utf-8")
            self._entries[name] = draft.replace(entry)
        except OSError as error:
            log.warning("Job %s will not survive the end of Blender: %s", name, error)

    def remove(self, name: str) -> None:
        """Forget a job; it may be forgotten already."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            _unlink(entry)

    def take_over(self) -> list[Path]:
        """The job folders that other sessions left, the oldest first; they are in this list now."""
        try:
            others = [path for path in self._root.iterdir() if path != self._own] if self._root.is_dir() else []
        except OSError as error:
            log.warning("Earlier jobs cannot be found: %s", error)
            return []
        for other in others:
            self._take_from(other)
        contents = [_content(entry) for entry in sorted(self._entries.values(), key=lambda path: path.name)]
        return [Path(content) for content in contents if content]

    def close(self) -> None:
        """Let others take over what is left. An empty list leaves nothing behind."""
        if self._lock is None or self._own is None:
            return
        self._lock.close()
        if not self._entries:
            _remove_folder(self._own)
        self._own = self._lock = None
        self._entries.clear()

    def _own_folder(self) -> Path:
        while self._own is None:
            own = self._root / uuid.uuid4().hex[:12]
            own.mkdir(parents=True)
            lock = (own / LOCK).open("wb")
            if _try_lock(lock):  # another Blender that starts now may think that this is a dead one's, and have it
                self._own, self._lock = own, lock
            else:
                lock.close()
        return self._own

    def _take_from(self, other: Path) -> None:
        try:
            with (other / LOCK).open("rb+") as lock:
                if not _try_lock(lock):
                    return
                for entry in other.glob("[0-9]*-*"):
                    self._entries[entry.name.partition("-")[2]] = entry.replace(self._own_folder() / entry.name)
            _remove_folder(other)
        except OSError as error:  # being made, or taken over by another Blender at this moment
            log.info("%s is left alone: %s", other, error)


def _content(entry: Path) -> str:
    try:
        return entry.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read: %s", entry, error)
        return ""


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s stays: %s", path, error)


def _remove_folder(path: Path) -> None:
    for file in path.iterdir():
        _unlink(file)
    try:
        path.rmdir()
    except OSError as error:
        log.warning("%s stays: %s", path, error)
