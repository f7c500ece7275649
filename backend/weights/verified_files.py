# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a file of weights the published one? Its SHA-256 is calculated once and remembered with its size and time."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

from ..contract import WeightFile, write_text_whole

_log = logging.getLogger(__name__)
_RECORD = ".verified.json"
_BLOCK = 4 << 20


def complaint(file: WeightFile, folder: Path, check: Callable[[], None] = lambda: None) -> str | None:
    """Why `folder / file.local` cannot be used, in the artist's words, or None when it is complete.

    Files put there by hand count. Without a known size or SHA-256 any file that is not empty is taken at its word.
    `check` is called while hashing and may raise.
    """
    path = folder / file.local
    if not path.is_file() or not path.stat().st_size:
        return "is missing"
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        return f"has {size:,} bytes instead of {file.bytes:,}"
    if file.sha256 is not None and sha256_of(path, folder, check) != file.sha256:
        return "is not the published file (its SHA-256 differs)"
    return None


def sha256_of(path: Path, folder: Path, check: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of a file under `folder`, in hexadecimal: remembered, or calculated and then remembered."""
    known = _read(folder).get(path.relative_to(folder).as_posix())
    if known and known[:2] == _stamp(path):
        return known[2]
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            check()
            digest.update(block)
    remember(path, folder, digest.hexdigest())
    return digest.hexdigest()


def remember(path: Path, folder: Path, sha256: str) -> None:
    """Keep the SHA-256 of a file as it is now. A folder that cannot be written only costs another look next time."""
    record = _read(folder)
    record[path.relative_to(folder).as_posix()] = [*_stamp(path), sha256]
    try:
        write_text_whole(folder / _RECORD, json.dumps(record, indent=1))
    except OSError as error:
        _log.info("cannot remember checked weights: %s", error)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(folder: Path) -> dict[str, list]:
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or cut off: both only mean that files are checked again
        return {}
    return record if isinstance(record, dict) else {}
