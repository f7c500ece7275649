# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are safe as a file's or a folder's on every system."""

import re

from .error import BadInput

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def is_plain_name(name: str) -> bool:
    """Whether it is 1 to 100 letters, digits, dots, dashes and underscores, the first a letter or a digit."""
    return _PLAIN.fullmatch(name) is not None


def check_job_name(name: str) -> None:
    """Raises BadInput unless the name is plain."""
    if not is_plain_name(name):
        raise BadInput("The job's name cannot be used.", f"{name[:100]!r} is not a plain identifier.",
                       "Use letters, digits, dots, dashes and underscores.")
