# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of results that every file system can hold, made before any work is done."""

import re

MOST_BYTES = 120
"""Of a name, in UTF-8: file systems take 255, and each file of a result adds to it."""
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
"""What Windows forbids, and bytes of a name that is not in the system's encoding."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(stem: str, fallback: str) -> str:
    """The name of a file without its suffix, as the name of a folder and of files in it; `fallback` where nothing of it
    is left.
    """
    name = _UNFIT.sub("_", stem)
    name = name.encode()[:MOST_BYTES].decode("utf-8", "ignore").strip(" .")
    if not name.strip("_"):
        return fallback
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def unique_name(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken; names that differ in case only are one on some systems. `taken` holds
    names in lower case and gets this one.
    """
    found, number = name, 2
    while found.casefold() in taken:
        found, number = f"{name}-{number}", number + 1
    taken.add(found.casefold())
    return found
