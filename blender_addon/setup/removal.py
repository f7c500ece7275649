# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring and removing a runtime in small pieces, so that Blender's window stays alive meanwhile.

Paths are texts here: Windows takes long ones only in a form that pathlib would not keep on other systems.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..data_folders import long_path
from .runtime import OWN_NAMES

SECONDS_OF_PATIENCE = 3.0
"""How long a file that another program has open is waited for: Windows lets go of libraries a little later."""


class Measurement:
    """Counts bytes on disk of what an installation made in a folder; a file with several names counts once.

    uv links the environment's files to its cache, so a plain sum would count twice. What vanishes meanwhile, or cannot
    be read, does not count.
    """

    def __init__(self, folder: Path) -> None:
        self.bytes = 0
        self._work = self._pieces(folder)

    def poll(self, seconds: float = 0.01) -> bool:
        """Work for about that long; True once everything is counted."""
        until = time.monotonic() + seconds
        return all(time.monotonic() <= until for _ in self._work)

    def _pieces(self, folder: Path) -> Iterator[None]:
        seen: set[tuple[int, int]] = set()
        for name in OWN_NAMES:
            for path in _files(long_path(folder.absolute() / name)):
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                identity = (status.st_dev, status.st_ino)
                if status.st_nlink <= 1 or identity not in seen:
                    seen.add(identity)
                    self.bytes += status.st_size
                yield


def _files(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
        return
    for parent, _, names in os.walk(path):
        for name in names:
            yield os.path.join(parent, name)


class Removal:
    """Removes only what an installation made. Anything else in the artist's folder stays, and so does the folder."""

    def __init__(self, folder: Path) -> None:
        self._paths = [long_path(folder.absolute() / name) for name in OWN_NAMES]
        self._work = self._pieces()

    def poll(self, seconds: float = 0.01) -> bool:
        """Work for about that long; True once everything is gone. Raises OSError where a file stays in use."""
        until = time.monotonic() + seconds
        return all(time.monotonic() <= until for _ in self._work)

    def _pieces(self) -> Iterator[None]:
        for path in self._paths:
            if not os.path.isdir(path) or os.path.islink(path):
                yield from _patiently(os.unlink, path)
                continue
            for parent, folders, names in os.walk(path, topdown=False):
                links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
                for name in (*names, *links):
                    yield from _patiently(os.unlink, os.path.join(parent, name))
                yield from _patiently(os.rmdir, parent)


def _patiently(remove: Callable[[str], None], path: str) -> Iterator[None]:
    """Remove one, trying again between two looks while it is in use. Raises OSError in the end."""
    until = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            remove(path)
        except FileNotFoundError:
            pass
        except PermissionError:
            if time.monotonic() >= until:
                raise
            yield
            continue
        yield
        return
