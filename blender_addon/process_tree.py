# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that end with Blender, also when it crashes, and that are ended with all that they started.

One way for worker, relay and installer: on Linux the kernel's death signal, on macOS a process that watches Blender
(both in `bound_child`), on Windows a job object, which the system closes with the process that holds it. No bpy.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_GUARD = Path(__file__).with_name("bound_child.py")

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _KILL_ON_CLOSE = 0x2000
    """JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE."""
    _EXTENDED_LIMITS = 9
    """JobObjectExtendedLimitInformation."""

    class _BasicLimits(ctypes.Structure):
        _fields_ = [("process_time", ctypes.c_int64), ("job_time", ctypes.c_int64), ("flags", ctypes.c_uint32),
                    ("smallest", ctypes.c_size_t), ("largest", ctypes.c_size_t), ("processes", ctypes.c_uint32),
                    ("affinity", ctypes.c_size_t), ("priority", ctypes.c_uint32), ("scheduling", ctypes.c_uint32)]

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = [("basic", _BasicLimits), ("io", ctypes.c_uint64 * 6), ("process_memory", ctypes.c_size_t),
                    ("job_memory", ctypes.c_size_t), ("peak_process", ctypes.c_size_t), ("peak_job", ctypes.c_size_t)]

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel.CreateJobObjectW.argtypes = [wintypes.LPVOID, wintypes.LPCWSTR]
    _kernel.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD]
    _kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    _kernel.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]

    def _job_of(process: "subprocess.Popen[bytes]") -> int | None:
        """A job object that holds the process and all that it will start; None where the system refuses one."""
        job = _kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.basic.flags = _KILL_ON_CLOSE
        held = job and _kernel.SetInformationJobObject(
            job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits),
        ) and _kernel.AssignProcessToJobObject(job, int(process._handle))  # type: ignore[attr-defined]
        if not held:
            log.warning("No job object for process %d: error %d", process.pid, ctypes.get_last_error())
            return None
        return int(job)


class ProcessTree:
    """A child process, `process`, and what it starts."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        """Start it, with `subprocess.Popen`'s options. Call it in the main thread. Raises OSError."""
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            self.process: subprocess.Popen[bytes] = subprocess.Popen(command, creationflags=flags, **options)
            self._job = _job_of(self.process)
        else:  # a group of its own keeps a Ctrl-C in Blender's terminal from the child
            self.process = subprocess.Popen(bound(command), start_new_session=True, **options)

    def end(self, force: bool) -> None:
        """Ask all of them to end, or end them. On Windows there is no asking. A tree that has ended stays so."""
        if self.process.poll() is not None:
            return
        if sys.platform == "win32":
            if self._job is None:
                self.process.terminate()
            else:
                _kernel.TerminateJobObject(self._job, 1)
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL if force else signal.SIGTERM)
        except ProcessLookupError:
            log.debug("Process %d had ended before it was asked to", self.process.pid)


def bound(command: Sequence[str], system: str = sys.platform) -> list[str]:
    """The command that runs `command` so that it ends with this process; the same where no Python can see to that.

    Raises FileNotFoundError for a program that is not there, which otherwise only the child would notice.
    """
    program = Path(command[0])
    if program.is_absolute() and not program.exists():
        raise FileNotFoundError(2, os.strerror(2), str(program))
    python = Path(sys.executable or "")
    if not python.name.lower().startswith("python"):  # a Blender that was built to report itself
        return list(command)
    way = "signal" if system == "linux" else "watch"
    return [str(python), "-I", "-S", str(_GUARD), way, str(os.getpid()), *command]
