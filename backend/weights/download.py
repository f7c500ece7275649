# SPDX-License-Identifier: GPL-3.0-or-later
"""Published weights from the hub into the models folder: license, catalogue, disk space, then file by file.

Nothing is written next to the files but their partial forms (`*.part`), locks (`.*.lock`), what was checked
(`.verified.json`) and the accepted licenses: no cache of the hub's own, so a folder holds each byte once and can be
copied to another machine.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from ..contract import (
    MeshwrightError,
    PipelineSpec,
    Progress,
    Remedy,
    WeightFile,
    WeightSet,
    unwritable_folder,
)
from .download_errors import explained
from .hub import Offer, look_up
from .interruptible import interruptible
from .licenses import accept, accepted, refused
from .location import locate, set_folder, shared_set
from .patience import Received, patiently
from .revisions import offers
from .shared_files import exclusive
from .transfer import partial_path, transfer
from .verified_files import complaint, is_published, remember

RESERVE = 1 << 30
"""Bytes that a download leaves free on the disk."""


def download(spec: PipelineSpec, weights: WeightSet, models_folder: Path, accepted_licenses: str,
             progress: Progress) -> Path:
    """Fetch what is missing of a set of weights and of the shared models that it needs; return the set's folder. A
    second call continues where one stopped, at the revision that the first one fixed. Of two processes that want the
    same file one waits for the other.

    `accepted_licenses` has the names of the licenses that the artist was shown and accepted, one a line; those on
    record may be left out. Raises MeshwrightError with a remedy, and Cancelled within a second of the artist's asking.
    """
    sets = [(spec, weights), *map(shared_set, weights.components)]
    sets = [pair for pair in sets if not pair[1].bundled]
    for pair in sets:
        _pass_the_gate(*pair, Path(models_folder), accepted_licenses)
    missing = []
    for pair in sets:
        folder = set_folder(*pair, models_folder)
        _prepare(folder)
        missing += [(offer, folder) for offer in _offers(pair[1], folder, progress)
                    if not _is_here(offer, folder, progress)]
    _require_space(missing, Path(models_folder))
    for offer, folder in missing:
        _fetch(offer, folder, progress)
    return locate(spec, weights, models_folder)


def _pass_the_gate(spec: PipelineSpec, weights: WeightSet, models_folder: Path, accepted_licenses: str) -> None:
    names = [line.strip() for line in accepted_licenses.splitlines() if line.strip()]
    if weights.license.name in names:
        accept(spec, weights, models_folder, weights.license.name)
    elif not accepted(spec, weights, models_folder):
        raise refused(spec, weights, ", ".join(names))


def _prepare(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable_folder(folder, error) from error


def _offers(weights: WeightSet, folder: Path, progress: Progress) -> Iterator[Offer]:
    def ask(file: WeightFile, revision: str) -> Offer:
        received = Received()

        def tick() -> None:
            if received.wait:
                progress.downloading(file.local, 0, 0, received.wait)
            progress.check()

        return interruptible(lambda stop: patiently(lambda: look_up(file, revision), received, stop), tick)

    return offers(weights.files, folder, ask, progress.warn)


def _is_here(offer: Offer, folder: Path, progress: Progress) -> bool:
    """Whether the file lies there complete, from an earlier download or put there by hand."""
    path = folder / offer.file.local
    with explained(offer.file, folder):
        if complaint(offer.file, folder, progress.check) or path.stat().st_size != offer.size:
            return False
        return is_published(path, folder, offer.checksum, progress.check)


def _require_space(missing: list[tuple[Offer, Path]], models_folder: Path) -> None:
    needed = sum(offer.size - _arrived(offer, folder) for offer, folder in missing)
    free = shutil.disk_usage(models_folder).free if missing else 0
    if needed and needed + RESERVE > free:
        raise MeshwrightError(
            "There is not enough room on the disk.",
            f"{_gigabytes(needed)} are still to come and {_gigabytes(RESERVE)} stay free; {models_folder} has "
            f"{_gigabytes(free)}.",
            f"Free {_gigabytes(needed + RESERVE - free)}, or choose another models folder.", Remedy.CHOOSE_FOLDER)


def _arrived(offer: Offer, folder: Path) -> int:
    part = partial_path(offer, folder)
    return part.stat().st_size if part.is_file() else 0


def _fetch(offer: Offer, folder: Path, progress: Progress) -> None:
    target = folder / offer.file.local
    received = Received()

    def watch_another() -> None:
        progress.downloading(offer.file.local, _arrived(offer, folder), offer.size)

    def tick() -> None:
        progress.downloading(offer.file.local, received.bytes, offer.size, received.wait)

    with explained(offer.file, folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(target, watch_another):
            if not _is_here(offer, folder, progress):  # another process may have fetched it meanwhile
                received.bytes = _arrived(offer, folder)
                sha256 = interruptible(lambda stop: transfer(offer, folder, received, stop), tick)
                remember(target, folder, sha256, offer.checksum, offer.revision)
    progress.downloading(offer.file.local, offer.size, offer.size)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
