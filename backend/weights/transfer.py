# SPDX-License-Identifier: GPL-3.0-or-later
"""One file from the hub to the disk over plain HTTP: resumed where it stopped, checked, then renamed.

huggingface_hub's own `hf_hub_download` is not used for the bytes. It deletes its partial file when it is interrupted,
it reads in blocks of 10 MB, so that a slow line shows neither progress nor a cancel for seconds, and its xet transfer
writes from several threads at once, so that the file's size says nothing of what arrived.
"""

import hashlib
import threading
from pathlib import Path

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session

from ..contract import Cancelled
from .answer import WrongContent, WrongRange, beginning, blocks, is_announced, raise_for_status
from .hub import Offer, request_headers
from .patience import Patience, Received
from .verified_files import digests, git_blob


def partial_path(offer: Offer, folder: Path) -> Path:
    """Where a file grows. Its name holds the checksum, so a resumed download never joins two versions."""
    target = folder / offer.file.local
    return target.with_name(f"{target.name}.{offer.checksum[:16]}.part")


def transfer(offer: Offer, folder: Path, received: Received, stop: threading.Event) -> str:
    """Fetch one file; it appears under its name only when it is complete and right. Returns its SHA-256.

    What arrived is kept and continued next time, unless it proves to be something else. Raises Cancelled when `stop`
    was set, WrongContent, OSError, HfHubHTTPError, and httpx2.TransportError when too many requests brought nothing.
    """
    part, target = partial_path(offer, folder), folder / offer.file.local
    part.parent.mkdir(parents=True, exist_ok=True)
    _forget_other_versions(part, target, offer.size)
    resumed = _size(part) > 0
    _complete(offer, part, received, stop)
    sha256 = _checked(offer, part, stop)
    if sha256 is None and resumed:  # what lay there was not the file's beginning: once more from the first byte
        _complete(offer, part, received, stop)
        sha256 = _checked(offer, part, stop)
    if sha256 is None:
        raise WrongContent("Its checksum is not the published one")
    part.replace(target)
    return sha256


def _complete(offer: Offer, part: Path, received: Received, stop: threading.Event) -> None:
    """Ask until the partial file has its full size."""
    patience, displaced = Patience(received, stop), 0
    while (before := _size(part)) < offer.size:
        failure: Exception | None = None
        try:
            _append(offer, part, received, stop)
        except (httpx2.TransportError, HfHubHTTPError, WrongContent) as error:
            failure = error
        if stop.is_set():
            raise Cancelled
        displaced = displaced + 1 if isinstance(failure, WrongRange) else 0
        if displaced == 2:  # a server that goes on elsewhere twice: begin again
            part.unlink(missing_ok=True)
        gained = _size(part) - before
        if gained < offer.size - before:
            patience.after(gained, failure or WrongContent(f"Only {gained:,} bytes arrived"))
    received.bytes = offer.size


def _append(offer: Offer, part: Path, received: Received, stop: threading.Event) -> None:
    """One request: everything from where the partial file ends."""
    have = received.bytes = _size(part)
    headers = request_headers() | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", offer.url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        raise_for_status(response)
        if stop.is_set():  # a cancelled download may have a successor that writes this file
            return
        have = received.bytes = beginning(response, have, offer)
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            for block in blocks(response, offer.size - have):
                if stop.is_set():
                    return
                file.write(block)
                file.flush()
                received.bytes += len(block)
            if received.bytes < offer.size and not is_announced(response):
                file.truncate(have)
                raise WrongContent(f"The answer ended after {received.bytes - have:,} of {offer.size - have:,} bytes")


def _checked(offer: Offer, part: Path, stop: threading.Event) -> str | None:
    """The partial file's SHA-256; None when it is not the published file, which is then deleted."""
    def check() -> None:
        if stop.is_set():
            raise Cancelled

    sha256, blob = digests(part, (hashlib.sha256(), git_blob(offer.size)), check)
    if offer.checksum == (sha256 if len(offer.checksum) == 64 else blob) and offer.file.sha256 in (None, sha256):
        return sha256
    part.unlink()
    return None


def _forget_other_versions(part: Path, target: Path, size: int) -> None:
    for other in part.parent.glob(f"{target.name}.*.part"):
        if other != part or other.stat().st_size > size:
            other.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
