# SPDX-License-Identifier: GPL-3.0-or-later
"""A report to paste into an issue: system, GPU, memory, disk, versions, last lines. It names no user and no file."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ..data_folders import existing_part
from .accelerator import Accelerator
from .runtime import condition, read_stamp


def report(folder: Path, accelerator: Accelerator, versions: dict[str, str], last_lines: Iterable[str] = ()) -> str:
    """The report as plain text; `versions` are Blender's and Meshwright's."""
    state, words = condition(folder)
    stamp = read_stamp(folder)
    there = existing_part(folder)
    disk = shutil.disk_usage(there) if there else None
    lines = [
        *(f"{name}: {version}" for name, version in versions.items()),
        f"System: {platform.platform()}, {os.cpu_count()} processors, {memory_bytes() / 2**30:.0f} GiB memory",
        f"GPU: {accelerator}",
        f"Disk: {disk.free / 1e9:.0f} of {disk.total / 1e9:.0f} GB free" if disk else "Disk: not there",
        f"Engine: {state}. {words}",
        *(f"  {name} {version}" for name, version in (stamp.versions.items() if stamp else ())),
        *(["Last lines:", *(f"  {line}" for line in last_lines)] if last_lines else ()),
    ]
    return "\n".join(lines).replace(str(Path.home()), "~") + "\n"


def memory_bytes() -> int:
    """This computer's memory; 0 where the system does not tell."""
    if sys.platform == "win32":
        class Status(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong), ("total", ctypes.c_ulonglong),
                        ("rest", ctypes.c_ulonglong * 6)]
        status = Status(length=ctypes.sizeof(Status))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.total)
    if sys.platform == "darwin":
        output = subprocess.run(["sysctl", "-n", "hw.memsize"], capture_output=True, encoding="utf-8", errors="replace",
                                check=False).stdout
        return int(output) if output.strip().isdigit() else 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
