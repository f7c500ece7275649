# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PTH106, PTH108, PTH114, PTH118 - a Path for each of 40 000 files takes seconds
"""Removing a runtime in small pieces, so that Blender's window stays alive meanwhile."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .runtime import OWN_NAMES


def size_of(folder: Path) -> int:
    """Bytes on disk of what an installation made in a folder; a file with several names counts once.

    uv links the environment's files to its cache, so a plain sum would tell twice the truth.
    """
    seen: set[tuple[int, int]] = set()
    total = 0
    for name in OWN_NAMES:
        for status in _files(folder / name):
            identity = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and identity in seen:
                continue
            seen.add(identity)
            total += status.st_size
    return total


def _files(path: Path) -> Iterator[os.stat_result]:
    if path.is_file():
        yield path.stat()
        return
    for parent, _, names in os.walk(path):
        for name in names:
            yield os.lstat(os.path.join(parent, name))


class Removal:
    """Removes only what an installation made. Anything else in the artist's folder stays, and so does the folder."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / name for name in OWN_NAMES]
        self._work = self._pieces()

    def poll(self, seconds: float = 0.01) -> bool:
        """Work for about that long; True once everything is gone. Raises OSError where a file is in use."""
        until = time.monotonic() + seconds
        return all(time.monotonic() <= until for _ in self._work)

    def _pieces(self) -> Iterator[None]:
        for path in self._paths:
            if not path.is_dir() or path.is_symlink():
                path.unlink(missing_ok=True)
                continue
            for parent, folders, names in os.walk(path, topdown=False):
                links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
                for name in (*names, *links):
                    os.unlink(os.path.join(parent, name))
                    yield
                os.rmdir(parent)
                yield
