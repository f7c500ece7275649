# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a published checkpoint that the artist has already: found by their names, checked, copied into place."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ..contract import BadInput, PipelineSpec, Progress, WeightFile, WeightSet, replace_whole, unwritable_folder
from .location import set_folder
from .shared_files import exclusive
from .verified_files import complaint

_BLOCK = 4 << 20


def import_files(spec: PipelineSpec, weights: WeightSet, models_folder: Path, sources: Iterable[Path],
                 progress: Progress) -> str:
    """Copy those of the sources (files, or folders that are searched) that belong to a set. Returns in one sentence
    what was copied and what is still missing.

    Raises BadInput where no file belongs to the set, or one is not the published file, MeshwrightError for a folder
    that cannot be written, and Cancelled.
    """
    folder = set_folder(spec, weights, models_folder)
    candidates = [file for source in sources for file in _files(source)]
    found = {file: path for file in weights.files if (path := _best(file, candidates)) is not None}
    if not found:
        names = ", ".join(dict.fromkeys(PurePosixPath(file.remote).name for file in weights.files))
        raise BadInput(f"No file of {spec.label} · {weights.label} was found.",
                       f"Its files are called {names[:300]}.", "Choose these files, or the folder that has them.")
    total, copied = sum(path.stat().st_size for path in found.values()), 0
    for file, path in found.items():
        copied += _copy(file, path, folder, progress, copied, total)
    progress.stage("copy", 1, 1)
    missing = [file.local for file in weights.files if complaint(file, folder, progress.check)]
    rest = f" Still missing: {', '.join(missing)}." if missing else ""
    return f"{len(found)} {'file' if len(found) == 1 else 'files'} copied to {folder}.{rest}"


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if path.is_file())
    if not source.is_file():
        raise BadInput(f"{source.name} cannot be read.", f"There is no file {source}.", "Choose another one.")
    return [source]


def _best(file: WeightFile, candidates: Iterable[Path]) -> Path | None:
    """The candidate whose path ends most like the file's own, there or on the hub. Raises BadInput where two do."""
    matches: list[tuple[int, Path]] = []
    for path in candidates:
        depth = max(_common(path, PurePosixPath(name)) for name in (file.local, file.remote))
        if depth and (file.bytes is None or path.stat().st_size == file.bytes):
            matches.append((depth, path))
    deepest = max((depth for depth, _ in matches), default=0)
    best = [path for depth, path in matches if depth == deepest]
    if len(best) > 1:
        raise BadInput(f"Two files could be {file.local}.", f"{best[0]} and {best[1]}.", "Choose one of them.")
    return best[0] if best else None


def _common(path: Path, name: PurePosixPath) -> int:
    """How many of the last parts are alike."""
    count = 0
    for one, other in zip(reversed(path.parts), reversed(name.parts), strict=False):
        if one != other:
            break
        count += 1
    return count


def _copy(file: WeightFile, path: Path, folder: Path, progress: Progress, before: int, total: int) -> int:
    """Copy one file, checked before it appears. Returns its size."""
    target, size = folder / file.local, path.stat().st_size
    if target.exists() and target.samefile(path):
        return size
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(target, progress.check), replace_whole(target) as draft:
            with path.open("rb") as source, draft.open("wb") as copy:
                done = before
                while block := source.read(_BLOCK):
                    progress.stage("copy", done >> 20, max(total >> 20, 1))
                    copy.write(block)
                    done += len(block)
            shutil.copystat(path, draft)
            _refuse_another(file, draft, path)
    except OSError as error:
        raise unwritable_folder(folder, error) from error
    return size


def _refuse_another(file: WeightFile, draft: Path, path: Path) -> None:
    if file.sha256 is None:
        return
    with draft.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
            raise BadInput(f"{path.name} is not the published file.", "Its SHA-256 differs.",
                           "Copy it again from where it came, or download it.")
