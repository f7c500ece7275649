# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a model could take on the NVIDIA GPU, as the driver reports it, and which memory mode fits.

Asked for when the add-on starts and after each job, never while drawing; Blender does not wait for the answer. What the
engine itself holds counts as free: it unloads what is in the way.
"""

import subprocess
import time
from dataclasses import dataclass

import bpy

from . import jobs
from .backend.contract import MemoryMode, WeightSet
from .preferences import own

MIB_PER_GIB = 1024
LONGEST = 5.0
"""Seconds that the driver's program may take."""
_GPUS = ("nvidia-smi", "--query-gpu=index,memory.free,memory.total", "--format=csv,noheader,nounits")
_PROGRAMS = ("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_MODES = {"full": "Full", "balanced": "Balanced", "low": "Low"}


@dataclass(frozen=True)
class GpuMemory:
    """One GPU's memory in GiB: what a model could take, and all of it."""

    free: float
    total: float


_found: dict[int, GpuMemory] = {}
_asking: tuple[subprocess.Popen[str], subprocess.Popen[str]] | None = None
_asked_at = 0.0


def memory() -> GpuMemory | None:
    """Of the GPU that the preferences name, as it was read last; None while unknown, and for other devices."""
    device = own().device.strip()
    if device in ("", "auto", "cuda"):
        device = "cuda:0"
    index = device.removeprefix("cuda:")
    return _found.get(int(index)) if device.startswith("cuda:") and index.isdigit() else None


def words(weights: WeightSet) -> str:
    """What a job with these weights takes and whether that fits, in one sentence."""
    here, asked = memory(), own().memory_mode
    if here is None:
        return f"About {weights.memory_gib:g} GiB of GPU memory."
    modes = [mode for mode in weights.memory_modes if asked in ("auto", mode)] or list(weights.memory_modes)
    fitting = fitting_mode(weights, modes, here.free)
    if fitting is None:
        least = min(weights.memory[mode] for mode in modes)
        return f"Needs {least:g} GiB of GPU memory, {here.free:.1f} of {here.total:.0f} GiB are free."
    taken = weights.memory[fitting]
    if fitting == weights.memory_modes[0]:
        return f"Fits: {taken:g} of {here.free:.1f} GiB of free GPU memory."
    return f"Fits in the slower {_MODES[fitting]} mode: {taken:g} of {here.free:.1f} GiB of free GPU memory."


def is_short(weights: WeightSet) -> bool:
    """Whether no mode of these weights fits into what is free."""
    here = memory()
    return here is not None and fitting_mode(weights, weights.memory_modes, here.free) is None


def fitting_mode(weights: WeightSet, modes: tuple[MemoryMode, ...] | list[MemoryMode],
                 free: float) -> MemoryMode | None:
    """The fastest of these modes that fits into `free` GiB."""
    return next((mode for mode in modes if weights.memory[mode] <= free), None)


def look() -> None:
    """Ask the driver; the answer is there a little later. Without its program nothing is known."""
    global _asking, _asked_at
    if _asking is not None:
        return
    try:
        first, second = (subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                          stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace",
                                          creationflags=_NO_WINDOW)
                         for command in (_GPUS, _PROGRAMS))
    except OSError:  # no NVIDIA driver
        return
    _asking, _asked_at = (first, second), time.monotonic()
    bpy.app.timers.register(_collect, first_interval=0.1, persistent=True)


def unregister() -> None:
    """Ask no longer."""
    _give_up()
    _found.clear()


def _collect() -> float | None:
    """Read the answers once both are there."""
    global _asking
    if _asking is None:
        return None
    if any(process.poll() is None for process in _asking):
        if time.monotonic() - _asked_at < LONGEST:
            return 0.2
        _give_up()
        return None
    gpus, programs = (process.communicate()[0] for process in _asking)
    _asking = None
    _found.clear()
    _found.update(parsed(gpus, programs, jobs.process()))
    return None


def parsed(gpus: str, programs: str, engine: int) -> dict[int, GpuMemory]:
    """GPUs by index from the driver's two tables; `engine` is the process whose memory counts as free, 0 for none.

    The tables do not say on which GPU a program is: with several, what the engine holds counts for none of them.
    """
    rows = [row for row in map(_numbers, gpus.splitlines()) if len(row) == 3]
    own_mib = sum(row[1] for row in map(_numbers, programs.splitlines()) if len(row) == 2 and row[0] == engine)
    extra = own_mib if len(rows) == 1 else 0
    return {index: GpuMemory(min(free + extra, total) / MIB_PER_GIB, total / MIB_PER_GIB)
            for index, free, total in rows}


def _numbers(line: str) -> list[int]:
    cells = [cell.strip() for cell in line.split(",")]
    return [int(cell) for cell in cells] if all(cell.isdigit() for cell in cells) else []


def _give_up() -> None:
    global _asking
    if _asking is not None:
        for process in _asking:
            process.kill()
            process.wait()
        _asking = None
    if bpy.app.timers.is_registered(_collect):
        bpy.app.timers.unregister(_collect)
