# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that is watched from a timer: its output goes to a file, of which each look reads what is new.

A file needs neither threads nor non-blocking pipes, is the same on every system, and is still there after a crash.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..process_tree import ProcessTree

_PATIENCE = 2.0  # seconds between asking a child to end and ending it
_KEPT = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_HTTP_TIMEOUT",
         "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_PYTHON_INSTALL_MIRROR", "UV_OFFLINE")
_MISLEADING = ("PIP_", "CONDA_", "UV_", "VIRTUAL_ENV", "PYTHON", "_PYTHON")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would lead another Python or uv astray. The user's index, mirror, proxy and certificates stay."""
    return {name: value for name, value in environment.items()
            if name in _KEPT or not name.startswith(_MISLEADING)}


class ChildProcess:
    """Starts at once. Call `poll()` regularly; nothing here waits."""

    def __init__(self, command: Sequence[str], log: Path, folder: Path, extra: Mapping[str, str]) -> None:
        """Raises OSError when the command cannot be started."""
        self._log = log
        self._position = log.stat().st_size if log.is_file() else 0
        self._rest = b""
        self._asked_to_end: float | None = None
        with log.open("ab") as output:
            self._tree = ProcessTree(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                env={**clean_environment(os.environ), **extra},
            )

    def poll(self) -> tuple[list[str], int | None]:
        """The lines that are new, and the exit status once the process has ended."""
        status = self._tree.process.poll()  # before reading, so that nothing written before the end is missed
        if status is None and self._asked_to_end is not None and time.monotonic() > self._asked_to_end + _PATIENCE:
            self._tree.end(force=True)
        with self._log.open("rb") as file:
            file.seek(self._position)
            fresh = file.read()
        self._position += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        if status is not None and self._rest:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines], status

    def end(self) -> None:
        """Ask the process and its children to end; `poll` kills them when they have not after two seconds."""
        if self._asked_to_end is None:
            self._asked_to_end = time.monotonic()
            self._tree.end(force=False)

    def kill(self) -> None:
        """End it now and wait: for Blender's own end."""
        self._tree.end(force=True)
        self._tree.process.wait()
