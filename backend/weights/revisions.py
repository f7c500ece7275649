# SPDX-License-Identifier: GPL-3.0-or-later
"""At which revision of its repository each file of a set is fetched, and whether the hub has a later one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from huggingface_hub.errors import HfHubHTTPError

from ..contract import MeshwrightError, WeightFile
from .download_errors import FAILURES, explained
from .hub import NEWEST, Offer
from .verified_files import keep_revision, kept_revision

Ask = Callable[[WeightFile, str], Offer]


def offers(files: Sequence[WeightFile], folder: Path, ask: Ask, remark: Callable[[str], None]) -> Iterator[Offer]:
    """Every file of a set as it is to be fetched.

    The revision is the catalogue's pin; else the one that an earlier download into this folder fixed; else the newest
    now, which is fixed by this. All files of a repository are of one revision. `ask` looks one file up at a revision;
    `remark` is called where the hub has a later one in which a file differs. Raises MeshwrightError.
    """
    fixed: dict[str, Offer] = {}
    found: list[Offer] = []
    for file in files:
        with explained(file, folder):
            if file.revision is not None:
                offer = ask(file, file.revision)
            elif file.repository in fixed:
                offer = ask(file, fixed[file.repository].revision)
            else:
                offer = fixed[file.repository] = _first(file, kept_revision(folder, file.repository), ask)
                keep_revision(folder, file.repository, offer.revision)
        found.append(offer)
        yield offer
    for repository in fixed:
        _compare_newest([offer for offer in found if offer.file.repository == repository], ask, remark)


def _first(file: WeightFile, kept: str | None, ask: Ask) -> Offer:
    try:
        return ask(file, kept or NEWEST)
    except HfHubHTTPError as error:
        if not kept or error.response.status_code != 404:
            raise
        return ask(file, NEWEST)  # its authors have rewritten the history: there is only what there is now


def _compare_newest(here: Sequence[Offer], ask: Ask, remark: Callable[[str], None]) -> None:
    repository, revision, newest = here[0].file.repository, here[0].revision, NEWEST
    for offer in here:
        try:
            later = ask(offer.file, newest)
        except (*FAILURES, MeshwrightError):  # removed there, or the hub is tired: what was fixed is whole all the same
            return
        newest = later.revision
        if newest == revision:
            return
        if later.checksum != offer.checksum:
            remark(f"{repository} has a later revision ({newest[:8]}) than this one ({revision[:8]}). To use it, "
                   "delete these weights and download them again.")
            return
