# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are safe as a file's or a folder's on every system."""

import re

from .error import BadInput

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?<!\.)")
_WINDOWS = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_LONGEST, _LONGEST_FILE = 100, 200


def is_plain_name(name: str) -> bool:
    """Whether it is 1 to 100 letters, digits, dots, dashes and underscores, the first a letter or a digit, the last no
    dot, and no device of Windows (CON, NUL …)."""
    return len(name) <= _LONGEST and _is_plain(name)


def check_file_name(name: str) -> None:
    """Raises BadInput unless a result's file has a plain name of at most 200 characters: it is in the job's folder."""
    if len(name) > _LONGEST_FILE or not _is_plain(name):
        raise BadInput("A file of this result cannot be used.", f"{name[:100]!r} is not a plain file name.",
                       "Files of a result lie in the job's own folder. Start the job again.")


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and _WINDOWS.fullmatch(name) is None


def check_job_name(name: str) -> None:
    """Raises BadInput unless the name is plain."""
    if not is_plain_name(name):
        raise BadInput("The job's name cannot be used.", f"{name[:100]!r} is not a plain identifier.",
                       "Use letters, digits, dots, dashes and underscores.")
