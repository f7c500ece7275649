# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading every file of a set once more: disks lose bits, and copies break off, without anybody's notice."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..contract import MeshwrightError, PipelineSpec, Progress, Remedy, WeightFile, WeightSet
from .location import set_folder
from .verified_files import checked, digests, forget, git_blob, remember

_MEGABYTE = 1 << 20


def verify(spec: PipelineSpec, weights: WeightSet, models_folder: Path, progress: Progress) -> str:
    """Compare the files of a set with their published checksums: those of the catalogue, or those that the hub gave at
    the download. Returns in one sentence what was found.

    Raises MeshwrightError that names every file that is missing or differs; the next download fetches these. Raises
    Cancelled.
    """
    folder = set_folder(spec, weights, models_folder)
    present = [file for file in weights.files if (folder / file.local).is_file()]
    total = sum((folder / file.local).stat().st_size for file in present)
    done, wrong, unknown = 0, [], 0
    for file in weights.files:
        if file not in present:
            wrong.append(f"{file.local} is missing")
            continue
        size = (folder / file.local).stat().st_size
        verdict = _compare(file, folder, _counter(progress, done, total))
        done += size
        unknown += verdict is None
        if verdict is False:
            wrong.append(f"{file.local} is not the published file")
    progress.stage("verify", 1, 1)
    if wrong:
        raise MeshwrightError(f"The weights of {spec.label} · {weights.label} are damaged.", f"{'; '.join(wrong)}.",
                              "Download them again: only these files are fetched.", Remedy.DOWNLOAD,
                              needs={"pipeline": spec.name, "weights": weights.name})
    right = len(present) - unknown
    words = f"{right} of {len(present)} files of {weights.label} are as published"
    return f"{words}; the others' checksums are not known, they are checked when they are loaded." if unknown else \
        f"{words}."


def _compare(file: WeightFile, folder: Path, check: Callable[[int], None]) -> bool | None:
    """Whether the file is the published one; None where nobody said what that is."""
    path, known = folder / file.local, checked(folder / file.local, folder)
    size, read = path.stat().st_size, 0

    def count() -> None:
        nonlocal read
        check(read)
        read += 4 * _MEGABYTE

    sha256, blob = digests(path, (hashlib.sha256(), git_blob(size)), count)
    published = known.published if known else ""
    wanted = {digest for digest in (file.sha256, published) if digest}
    right = wanted <= {sha256, blob} and file.bytes in (None, size) and (known is None or known.sha256 == sha256)
    if not right:
        forget(path, folder)
        return False
    remember(path, folder, sha256, published, known.revision if known else "")
    return True if wanted else None


def _counter(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    def check(read: int) -> None:
        progress.stage("verify", (before + read) // _MEGABYTE, max(total // _MEGABYTE, 1))
    return check
