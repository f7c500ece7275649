# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an engine's process ended, in one sentence with one remedy, from its exit status and what it wrote last."""

import re
import signal
from collections.abc import Sequence

from .error import ErrorReport, Remedy

_MISSING = (
    re.compile(r"No module named '([\w.]+)'"),
    re.compile(r"(?:ImportError|OSError): (\S+): cannot open shared object file"),
    re.compile(r"Library not loaded: (\S+)"),
    re.compile(r"DLL load failed while importing (\w+)"),
    re.compile(r"Error loading \"?([^\"]+\.dll)"),
)
_DRIVER = re.compile(
    r"unspecified launch failure|device-side assert|illegal memory access|launch timed out|launch failure|"
    r"driver shutting down|GPU is lost|device (?:was |is )?lost|uncorrectable ECC|NVRM: Xid|DXGI_ERROR_DEVICE|"
    r"cudaErrorUnknown|CUDA error: unknown error|devices? (?:is|are) busy or unavailable|hipErrorLaunchFailure",
    re.IGNORECASE)
_MEMORY = re.compile(r"MemoryError|bad_alloc|out of memory|can't allocate memory|Cannot allocate memory", re.IGNORECASE)
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS")
_WINDOWS = {  # exit statuses that are no program's own
    0xC0000005: "a library accessed memory that is not its own", 0xC00000FD: "a library's stack overflowed",
    0xC0000409: "a library detected damaged memory", 0xC000001D: "this processor lacks an instruction it uses",
}
_WINDOWS_MEMORY, _WINDOWS_MISSING = (0xC0000017, 0xC000012D), (0xC0000135, 0xC0000139, 0xC0000142)
_MORE_MEMORY = "Close other programs or choose a lower memory mode in the preferences, then retry."
_DRIVER_ADVICE = "Retry. If it happens again, restart the computer or update the GPU driver."
_REPAIR = "Repair the engine in the preferences."


def known_failure(what: str, text: str, details: str = "") -> ErrorReport | None:
    """The report titled `what` about a library's error text, or a log's end, that is understood; else None."""
    for pattern in _MISSING:
        if found := pattern.search(text):
            return ErrorReport(what, f"A library of the engine is missing: {found[1][:100]}.", _REPAIR,
                               Remedy.OPEN_PREFERENCES, details)
    if _DRIVER.search(text):
        return ErrorReport(what, "The GPU driver was reset or reported a fault.", _DRIVER_ADVICE, Remedy.RETRY, details)
    return None


def is_driver_failure(text: str) -> bool:
    """Whether a library's error text says that the GPU can no longer be used by this process."""
    return _DRIVER.search(text) is not None


def end_of_engine(what: str, status: int | None, lines: Sequence[str]) -> ErrorReport:
    """The report titled `what` about a process that ended with this status (None: it still runs; negative: a signal).

    `lines` are the last of its log; they are kept as details only.
    """
    details, text = "\n".join(lines), "\n".join(lines[-40:])
    if known := known_failure(what, text, details):
        return known
    if status is None:
        return ErrorReport(what, "It does not answer.", "Retry.", Remedy.RETRY, details)
    name = _signal_name(status)
    if name == "SIGKILL":
        return ErrorReport(what, "The system ended it (SIGKILL), most likely because the memory was full.",
                           _MORE_MEMORY, Remedy.RETRY, details)
    if _MEMORY.search(text) or status in _WINDOWS_MEMORY:
        return ErrorReport(what, "The computer's memory was full.", _MORE_MEMORY, Remedy.RETRY, details)
    if status in _WINDOWS_MISSING:
        return ErrorReport(what, "A library of the engine is missing.", _REPAIR, Remedy.OPEN_PREFERENCES, details)
    if name in _CRASHES or status in _WINDOWS:
        cause = _WINDOWS.get(status, name)
        return ErrorReport(what, f"A library in it crashed ({cause}), often the GPU driver's.", _DRIVER_ADVICE,
                           Remedy.RETRY, details)
    if name:
        return ErrorReport(what, f"Another program ended it ({name}).", "Retry.", Remedy.RETRY, details)
    return ErrorReport(what, f"It ended by itself with exit code {status}.", "Open the log, then retry.", Remedy.RETRY,
                       details)


def _signal_name(status: int) -> str:
    """The name of the signal that ended a process; "" when none did."""
    if status >= 0:
        return ""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
