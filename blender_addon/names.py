# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as Blender keeps them: at most 63 bytes of UTF-8."""

import re

LONGEST = 63
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")


def fitted(stem: str, suffix: str = "") -> str:
    """`stem` + `suffix` with the stem cut, between characters, so that both fit into Blender's limit."""
    clean = _UNPRINTABLE.sub(" ", stem).strip() or "Object"
    room = LONGEST - len(suffix.encode())
    return clean.encode()[:room].decode(errors="ignore").rstrip() + suffix


def part_name(subject: str, number: int, count: int) -> str:
    """`chair.part.01`; as many digits as the count needs, at least two."""
    return fitted(subject, _part_suffix(number, count))


def numbered_subject(subject: str, number: int, count: int) -> str:
    """`chair-2`; a long subject is cut so far that the number is also in the names of its `count` parts."""
    suffix = _part_suffix(count, count)
    return fitted(subject, f"-{number}{suffix}").removesuffix(suffix)


def _part_suffix(number: int, count: int) -> str:
    return f".part.{number:0{max(2, len(str(count)))}d}"
