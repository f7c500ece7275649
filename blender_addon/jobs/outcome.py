# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job ended, by what lies in its folder: whatever was said on the way, the disk is right."""

import logging
from dataclasses import replace
from typing import TypeAlias

from ..backend.contract import (
    CancelledEvent,
    Done,
    ErrorReport,
    Failed,
    JobFolder,
    MeshwrightError,
    Remedy,
)

log = logging.getLogger(__name__)

End: TypeAlias = Done | Failed | CancelledEvent


def proven_end(folder: JobFolder, said: End) -> End:
    """The end that the folder proves; `said` where it proves none.

    A result in it is a finished job, even if the worker said that it failed, or died before it could say anything. One
    that was said to be done and has no result is none: it could never be delivered.
    """
    try:
        result = folder.read_result()
    except MeshwrightError as error:
        return Failed(said.job, error.report)
    if result is not None:
        return Done(said.job, result)
    if isinstance(said, Done):
        return Failed(said.job, ErrorReport(
            "The result of this job is missing.", f"There is no result.json in {folder.path}.", "Start the job again.",
            Remedy.RETRY))
    if isinstance(said, Failed):
        return replace(said, error=_kept_error(folder) or said.error)
    return said


def keep_end(folder: JobFolder, end: End) -> None:
    """Leave the end of a job in its folder, unless the worker already did."""
    try:
        folder.append_event(end)
        if isinstance(end, Failed) and _kept_error(folder) is None:
            folder.write_error(end.error)
            with folder.log.open("a", encoding="utf-8") as file:
                file.write("\n".join(filter(None, (str(end.error), end.error.details))) + "\n")
    except (OSError, MeshwrightError) as error:
        log.warning("The end of %s is not kept: %s", end.job, error)


def _kept_error(folder: JobFolder) -> ErrorReport | None:
    try:
        return folder.read_error()
    except MeshwrightError as error:
        log.warning("The error of a job cannot be read: %s", error)
        return None
