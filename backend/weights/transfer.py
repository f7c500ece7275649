# SPDX-License-Identifier: GPL-3.0-or-later
"""One file from the hub to the disk over plain HTTP: resumed where it stopped, checked, then renamed.

huggingface_hub's own `hf_hub_download` is not used for the bytes. It deletes its partial file when it is interrupted,
it reads in blocks of 10 MB, so that a slow line shows neither progress nor a cancel for seconds, and its xet transfer
writes from several threads at once, so that the file's size says nothing of what arrived.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

from .hub import Offer, request_headers

_log = logging.getLogger(__name__)
_BLOCK = 4 << 20
_FRUITLESS_ATTEMPTS = 3  # in a row, without one new byte
_PAUSE = 1.0  # seconds before the next attempt


class WrongContent(Exception):
    """What arrived is not the file that the hub announced."""


@dataclass
class Received:
    """How far a transfer is, for the thread that watches it."""

    bytes: int = 0


def partial_path(offer: Offer, folder: Path) -> Path:
    """Where a file grows. Its name holds the tag, so a resumed download never joins two versions."""
    target = folder / offer.file.local
    return target.with_name(f"{target.name}.{offer.etag[:16]}.part")


def transfer(offer: Offer, folder: Path, received: Received, stop: threading.Event) -> str | None:
    """Fetch one file; it appears under its name only when it is complete and right. Returns its SHA-256.

    Returns None when `stop` was set; what arrived is kept and continued next time. Raises WrongContent, OSError,
    HfHubHTTPError, and httpx2.TransportError when three attempts in a row brought nothing.
    """
    part = partial_path(offer, folder)
    part.parent.mkdir(parents=True, exist_ok=True)
    _forget_other_versions(part, folder / offer.file.local)
    fruitless = 0
    while (before := _size(part)) < offer.size:
        try:
            _append(offer, part, received, stop)
        except (httpx2.TransportError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            fruitless = fruitless + 1 if _size(part) <= before else 0
            if fruitless >= _FRUITLESS_ATTEMPTS:
                raise
            _log.info("%s stopped at %d bytes, trying again: %s", offer.file.remote, _size(part), error)
            stop.wait(_PAUSE)
        if stop.is_set():
            return None
    received.bytes = offer.size
    return _finish(offer, part, folder / offer.file.local, stop)


def _append(offer: Offer, part: Path, received: Received, stop: threading.Event) -> None:
    """One request: everything from where the partial file ends."""
    have = received.bytes = _size(part)
    headers = request_headers() | ({"Range": f"bytes={have}-"} if have else {})
    with http_stream_backoff("GET", offer.url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                             max_retries=1, retry_on_exceptions=(), retry_on_status_codes=(429,)) as response:
        hf_raise_for_status(response)
        if stop.is_set():  # a cancelled download may have a successor that writes this file
            return
        if response.status_code != 206:
            have = received.bytes = 0  # the server does not resume: from the beginning
        _compare_announcement(response, have, offer)
        with part.open("ab" if have else "wb") as file:
            for block in _until(stop, response.iter_bytes()):
                if have + len(block) > offer.size:
                    raise WrongContent(f"More than the announced {offer.size:,} bytes arrived")
                file.write(block)
                file.flush()
                have += len(block)
                received.bytes = have


def _until(stop: threading.Event, blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        if stop.is_set():
            return
        yield block


def _compare_announcement(response: httpx2.Response, have: int, offer: Offer) -> None:
    length = response.headers.get("Content-Length")
    if "Content-Encoding" not in response.headers and length is not None and have + int(length) != offer.size:
        raise WrongContent(f"The server sends {have + int(length):,} bytes, the hub's catalogue says {offer.size:,}")


def _finish(offer: Offer, part: Path, target: Path, stop: threading.Event) -> str | None:
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            if stop.is_set():
                return None
            digest.update(block)
    if offer.sha256 is not None and digest.hexdigest() != offer.sha256:
        part.unlink()
        raise WrongContent("Its SHA-256 is not the published one")
    part.replace(target)
    return digest.hexdigest()


def _forget_other_versions(part: Path, target: Path) -> None:
    for other in part.parent.glob(f"{target.name}.*.part"):
        if other != part:
            other.unlink()
    if part.is_file() and part.stat().st_size == 0:
        part.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
