# SPDX-License-Identifier: GPL-3.0-or-later
"""One Blender at a time changes a runtime. Of the standard library alone: Blender's Python has no filelock."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from ..backend.contract import MeshwrightError, Remedy

NAME = ".changing.lock"


class RuntimeLock:
    """Held from its making to `release`; the system frees it when Blender dies."""

    def __init__(self, folder: Path) -> None:
        """Raises MeshwrightError while another Blender installs or removes the runtime in this folder, and OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / NAME
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            raise MeshwrightError("Another Blender is changing the engine.", f"It installs or removes it in {folder}.",
                                  "Wait until it has finished.", Remedy.RETRY) from error

    def release(self) -> None:
        """Let others change it."""
        with suppress(OSError):  # Windows deletes no open file; an empty one may stay
            self._path.unlink()
        os.close(self._file)


def _lock(file: int) -> None:
    """Raises OSError when another process has it, or has just given it up along with the file."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fstat(file).st_nlink == 0:
        raise OSError("the file of the lock was deleted")
