# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures whose cause is known: what uv, Python or Windows writes, and the way out, in words.

None of them is cured by installing again; that advice would lead in a circle.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..backend.contract import ErrorReport, Remedy
from .system_check import VISUAL_CPP_URL


@dataclass(frozen=True)
class KnownFailure:
    """A cause, recognized by `pattern` in a program's words (any case)."""

    pattern: str
    why: str
    advice: str
    remedy: Remedy | None = None


KNOWN = (
    KnownFailure(
        r"winerror 4551|os error 4551|application control policy",
        "Windows' Smart App Control blocked a program of the engine, which carries no publisher's signature.",
        "Turn it off in Windows Security > App & browser control > Smart App Control settings, then continue here."),
    KnownFailure(
        r"winerror (126|1114)\b|os error (126|1114)\b|dll load failed|vcruntime140|msvcp140",
        "A library of Windows is missing: most often Microsoft's Visual C++ runtime.",
        f"Download and run {VISUAL_CPP_URL}, restart Blender, and check the engine."),
    KnownFailure(
        r"winerror (5|32|33)\b|os error (5|32|33)\b|being used by another process|access is denied",
        "Another program has a file of the engine open: a job that still runs, a second Blender, or a virus scanner.",
        "Close other Blenders, wait until running jobs have finished, and try once more.", Remedy.RETRY),
    KnownFailure(
        r"winerror 206|winerror 3\b.*\.{3}|file ?name(s)? (is|are) too long|os error 206|file name too long",
        "A path in the engine's folder is longer than Windows allows.",
        "Choose a folder with a short path, such as C:\\Meshwright.", Remedy.CHOOSE_FOLDER),
    KnownFailure(
        r"no space left on device|os error 112\b|winerror 112\b|not enough space on the disk|os error 28\b",
        "The disk is full.", "Free some space, or choose a folder on another disk.", Remedy.CHOOSE_FOLDER),
    KnownFailure(
        r"invalid peer certificate|certificate verify failed|unknownissuer",
        "A proxy or virus scanner replaces the certificates of encrypted connections, and uv does not know its own.",
        "Set the environment variable UV_SYSTEM_CERTS to 1 for Blender, then continue here.", Remedy.RETRY),
    KnownFailure(
        r"dns error|failed to lookup address|error sending request|connection (refused|reset)|network is unreachable|"
        r"timed out",
        "The package server could not be reached.",
        "Check the connection, a proxy or a firewall, and try once more: downloaded files are kept.", Remedy.RETRY),
)


def explain(what: str, lines: Iterable[str]) -> ErrorReport | None:
    """The report about a failure whose cause the lines name, the first that is known; None for any other."""
    said = list(lines)
    for failure in KNOWN:
        pattern = re.compile(failure.pattern, re.IGNORECASE)
        if any(pattern.search(line) for line in said):
            return ErrorReport(what, failure.why, failure.advice, failure.remedy, "\n".join(said[-12:]))
    return None
