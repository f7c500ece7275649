# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a file of weights the published one? Checksums are calculated once and kept next to the files.

`.verified.json` in the folder of a set has, for each file, its size and time, its SHA-256, and the hub's own checksum
and revision that it was compared with; and for each repository the revision that the set is of.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..contract import BadInput, WeightFile, write_text_whole
from ..contract.json_form import from_json, to_json
from .shared_files import exclusive

_log = logging.getLogger(__name__)
_RECORD = ".verified.json"
_BLOCK = 4 << 20


@dataclass(frozen=True)
class CheckedFile:
    """A file as it was checked: `published` is the hub's checksum of that `revision`, "" for a file put there by hand.
    `time` is in nanoseconds, as text: JSON's numbers are too short for it elsewhere."""

    size: int
    time: str
    sha256: str
    published: str = ""
    revision: str = ""


@dataclass(frozen=True)
class _Record:
    files: Mapping[str, CheckedFile] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)


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
    known = checked(path, folder)
    if known is None:
        digest, = digests(path, (hashlib.sha256(),), check)
        remember(path, folder, digest)
        return digest
    return known.sha256


def is_published(path: Path, folder: Path, published: str, check: Callable[[], None]) -> bool:
    """Whether the file has the checksum that the hub gives: a SHA-256 (64 digits) or the id of a git blob (40)."""
    known = checked(path, folder)
    if known is not None and known.published == published:
        return True
    if len(published) == 64:
        return sha256_of(path, folder, check) == published
    digest, = digests(path, (git_blob(path.stat().st_size),), check)
    return digest == published


def git_blob(size: int) -> "hashlib._Hash":
    """The beginning of a git blob's id, to be fed with the `size` bytes of the content."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def digests(path: Path, hashes: "tuple[hashlib._Hash, ...]", check: Callable[[], None]) -> tuple[str, ...]:
    """What these hashes give for the file, in hexadecimal, from one reading. `check` is called often and may raise."""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            check()
            for each in hashes:
                each.update(block)
    return tuple(each.hexdigest() for each in hashes)


def checked(path: Path, folder: Path) -> CheckedFile | None:
    """What is known of the file; None when it was never checked or was changed since."""
    known = _read(folder).files.get(path.relative_to(folder).as_posix())
    status = path.stat()
    return known if known and (known.size, known.time) == (status.st_size, str(status.st_mtime_ns)) else None


def remember(path: Path, folder: Path, sha256: str, published: str = "", revision: str = "") -> None:
    """Keep the checksums of a file as it is now. A folder that cannot be written only costs another look next time."""
    status = path.stat()
    known = CheckedFile(status.st_size, str(status.st_mtime_ns), sha256, published, revision)
    _change(folder, lambda old: _Record({**old.files, path.relative_to(folder).as_posix(): known}, old.revisions))


def forget(path: Path, folder: Path) -> None:
    """Have the file checked from its first byte the next time."""
    name = path.relative_to(folder).as_posix()
    _change(folder, lambda old: _Record({known: file for known, file in old.files.items() if known != name},
                                        old.revisions))


def kept_revision(folder: Path, repository: str) -> str | None:
    """The revision of the repository that the folder's files are of, or will be when their download goes on."""
    return _read(folder).revisions.get(repository)


def keep_revision(folder: Path, repository: str, revision: str) -> None:
    """Fix the revision before the first file is fetched, so that a download that goes on later joins no two."""
    if kept_revision(folder, repository) != revision:
        _change(folder, lambda old: _Record(old.files, {**old.revisions, repository: revision}))


def _change(folder: Path, change: Callable[[_Record], _Record]) -> None:
    path = folder / _RECORD
    try:
        with exclusive(path):
            write_text_whole(path, json.dumps(to_json(change(_read(folder))), indent=1))
    except OSError as error:
        _log.info("cannot remember checked weights: %s", error)


def _read(folder: Path) -> _Record:
    try:
        return from_json(_Record, json.loads((folder / _RECORD).read_text(encoding="utf-8")), "record")
    except (OSError, ValueError, RecursionError, BadInput):  # none yet, or damaged: files are only checked again
        return _Record()
