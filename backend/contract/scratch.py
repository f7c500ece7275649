# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for what a process needs only while it runs. Those of processes that were killed go at the next start."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"meshwright-(\d{1,10})-\w+")
_STILL_ACTIVE, _QUERY = 259, 0x1000  # Windows: an exit status that is none; the right to ask for it


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that only this user may read, named after this process; removed on leaving."""
    with tempfile.TemporaryDirectory(prefix=f"meshwright-{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_dead_scratch() -> list[Path]:
    """Remove the scratch folders of this user's processes that no longer run; returns them."""
    dead = []
    with os.scandir(tempfile.gettempdir()) as items:
        for item in items:
            match = _NAME.fullmatch(item.name)
            if match and item.is_dir(follow_symlinks=False) and _is_ours(item) and not is_running(int(match[1])):
                shutil.rmtree(item.path, ignore_errors=True)
                dead.append(Path(item.path))
    return dead


def is_running(process: int) -> bool:
    """Whether a process of this id runs."""
    if sys.platform == "win32":
        import ctypes

        kernel, status = ctypes.windll.kernel32, ctypes.c_ulong()
        handle = kernel.OpenProcess(_QUERY, False, process)
        if not handle:
            return False
        kernel.GetExitCodeProcess(handle, ctypes.byref(status))
        kernel.CloseHandle(handle)
        return status.value == _STILL_ACTIVE
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs as another user
        return True
    return True


def _is_ours(item: os.DirEntry[str]) -> bool:
    return sys.platform == "win32" or item.stat(follow_symlinks=False).st_uid == os.getuid()
