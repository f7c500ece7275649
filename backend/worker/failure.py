# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions to reports in the artist's words."""

import errno
import traceback
from dataclasses import replace
from pathlib import Path

from ..contract import ErrorReport, MeshwrightError, Remedy, TaskSpec
from ..contract.engine_end import known_failure

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def report_of(error: BaseException, folder: Path) -> ErrorReport:
    """The report about an exception that ended a job whose folder this is. The traceback goes to `details`."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, MeshwrightError):
        return replace(error.report, details="\n".join(filter(None, (error.report.details, details))))
    if isinstance(error, OSError) and error.errno in _FULL:
        return ErrorReport(
            "The disk is full.", f"{error.filename or folder} could not be written.",
            "Free some space, or choose another folder in the preferences.", Remedy.CHOOSE_FOLDER, details)
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return ErrorReport(
            f"{error.filename or folder} cannot be opened.", f"{error.strerror}.",
            "Choose another folder in the preferences, or change its permissions.", Remedy.CHOOSE_FOLDER, details)
    if known := known_failure("The engine cannot go on.", f"{type(error).__name__}: {error}", details):
        return known
    return ErrorReport(
        "Unexpected error.", f"{type(error).__name__}: {error}",
        "Open the log, and report it with the log if it happens again.", Remedy.OPEN_LOG, details)


def out_of_memory_error(task: TaskSpec, device: str, details: str) -> MeshwrightError:
    """For a task that did not fit, not even in small chunks."""
    where = "The computer's memory" if device == "cpu" else f"The memory of {device}"
    has_resolution = any("resolution" in parameter.name for parameter in task.parameters)
    advice = "Choose a lower resolution" if has_resolution else "Free memory"
    return MeshwrightError(
        f"{where} is not enough.", "A second try in smaller chunks failed as well.",
        f"{advice}, close other programs that use it, or choose a lower memory mode in the preferences.",
        Remedy.LOWER_RESOLUTION if has_resolution else Remedy.FREE_MEMORY, details)
