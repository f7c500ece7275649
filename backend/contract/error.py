# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as data: what happened, why, what to do, and the one button that can fix it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Remedy(StrEnum):
    """What one button in the panel can do about an error."""

    FREE_MEMORY = "free_memory"
    LOWER_RESOLUTION = "lower_resolution"
    DOWNLOAD = "download"
    ACCEPT_LICENSE = "accept_license"
    CHOOSE_FOLDER = "choose_folder"
    OPEN_PREFERENCES = "open_preferences"
    OPEN_LOG = "open_log"
    DELIVER_HERE = "deliver_here"
    RETRY = "retry"


@dataclass(frozen=True)
class ErrorReport:
    """One error in the artist's words. `details` is for the log and the copied report only.

    `remedy` is what one button can do about it, `needs` what that button must know: {"pipeline": …, "weights": …} for a
    download, {"file": …} for a file.
    """

    what: str
    why: str
    advice: str
    remedy: Remedy | None = None
    details: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(filter(None, map(sentence, (self.what, self.why, self.advice))))

    @property
    def lines(self) -> str:
        """What, why and advice in a line each, as commands print it."""
        return "".join(f"{sentence(text)}\n" for text in (self.what, self.why, self.advice))


def sentence(text: str) -> str:
    """The text with one mark at its end, whatever a system or a library that it quotes ends its own with."""
    plain = text.strip()
    while plain.endswith("..") and not plain.endswith("..."):
        plain = plain[:-1]
    return plain if not plain or plain[-1] in ".!?…" else f"{plain}."


class MeshwrightError(Exception):
    """An error that the artist should read. `report` is what crosses the boundary."""

    def __init__(self, what: str, why: str, advice: str, remedy: Remedy | None = None, details: str = "",
                 needs: Mapping[str, str] | None = None) -> None:
        self.report = ErrorReport(what, why, advice, remedy, details, needs or {})
        super().__init__(str(self.report))


class BadInput(MeshwrightError, ValueError):
    """The request, or a file that it names, cannot be used as it is."""


def unwritable_folder(path: Path, error: OSError) -> MeshwrightError:
    """The error about a folder that takes no files: it is full, protected or gone."""
    return MeshwrightError(f"The folder {path} cannot be written.", error.strerror or str(error),
                           "Free some space, or choose another folder in the preferences.", Remedy.CHOOSE_FOLDER)


class Cancelled(Exception):
    """The artist asked to stop. Raised from inside `Progress` calls; never reported as an error."""
