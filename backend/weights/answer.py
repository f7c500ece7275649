# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the answer to a download request the part of the file that was asked for? Looked at before a byte is written."""

import re
import time
import zlib
from collections.abc import Iterator

import httpx2
from huggingface_hub.utils import hf_raise_for_status

from .hub import Offer
from .patience import FRUITFUL

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_COMPRESSED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_BLOCK = 1 << 20
SLOW_SECONDS = 60.0
"""A request that has brought less than `FRUITFUL` bytes by then is given up."""


class WrongContent(Exception):
    """What arrived is not the file that the hub announced; another request may bring it."""


class WrongRange(WrongContent):
    """The answer begins elsewhere than where the partial file ends, or the server refuses to go on there."""


def raise_for_status(response: httpx2.Response) -> None:
    """As huggingface_hub's function, from the headers alone: an error's page may have no end.

    Raises HfHubHTTPError, WrongRange for 416, and WrongContent for what is neither an error nor content.
    """
    if response.status_code == 416:
        raise WrongRange("The server has nothing where the partial file ends")
    if response.status_code >= 400:
        headers = [(name, value) for name, value in response.headers.multi_items()
                   if name.lower() not in ("content-encoding", "transfer-encoding", "content-length")]
        hf_raise_for_status(httpx2.Response(response.status_code, headers=headers, request=response.request))
    if response.status_code not in (200, 206):
        raise WrongContent(f"The server answered {response.status_code} without a file")


def beginning(response: httpx2.Response, have: int, offer: Offer) -> int:
    """The place in the file where the answer begins: `have`, or 0 from a server that does not resume.

    Raises WrongContent where its headers say that it is not the file.
    """
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise WrongContent("A web page arrived instead: perhaps a sign-in page of this network, or a firewall's")
    encoding = _encoding(response)
    if encoding and encoding not in _COMPRESSED:
        raise WrongContent(f"The server compresses its answers ({encoding[:20]})")
    start, end = _place(response, have, offer)
    length = response.headers.get("Content-Length")
    if length is not None and not encoding and start + int(length) != end:
        raise WrongContent(f"The server sends {start + int(length):,} bytes, the hub's catalogue says {end:,}")
    if start < have and length is None:
        raise WrongContent("The server does not resume and does not say how much it sends")
    return start


def _place(response: httpx2.Response, have: int, offer: Offer) -> tuple[int, int]:
    """Where the answer begins and ends."""
    if response.status_code == 200:
        return 0, offer.size
    given = response.headers.get("Content-Range", "")
    match = _RANGE.fullmatch(given)
    if match is None or _encoding(response):
        raise WrongRange(f"The server sends a part of the file without saying which ({given[:40]!r})")
    start, last, total = int(match[1]), int(match[2]), match[3]
    if start != have or not start <= last < offer.size or total not in ("*", str(offer.size)):
        raise WrongRange(f"Bytes {have}-{offer.size - 1} of {offer.size} were asked for, {given[:60]} arrived")
    return start, last + 1


def blocks(response: httpx2.Response, room: int) -> Iterator[bytes]:
    """The content in blocks of at most a megabyte. Raises WrongContent when it is more than `room` bytes, or much
    slower than any line, and when a compressed answer is damaged."""
    began, brought = time.monotonic(), 0
    for block in _decoded(response):
        brought += len(block)
        if brought > room:
            raise WrongContent(f"More than the announced {room:,} bytes arrived")
        yield block
        if brought < FRUITFUL and time.monotonic() - began > SLOW_SECONDS:
            raise WrongContent(f"Only {brought:,} bytes arrived in {SLOW_SECONDS:.0f} s")


def is_announced(response: httpx2.Response) -> bool:
    """Whether an answer that breaks off is noticed: without a length, half a page reads like a whole one."""
    return "Content-Length" in response.headers and not _encoding(response)


def _decoded(response: httpx2.Response) -> Iterator[bytes]:
    """Small blocks, however much a compressed answer hides."""
    encoding = _encoding(response)
    if not encoding:
        yield from response.iter_raw()  # as the network brings it: a larger block would be lost with the line
        return
    decoder = zlib.decompressobj(_COMPRESSED[encoding])
    try:
        for raw in response.iter_raw():
            while raw and not decoder.eof:
                yield decoder.decompress(raw, _BLOCK)
                raw = decoder.unconsumed_tail
    except zlib.error as error:
        raise WrongContent(f"A compressed answer cannot be read ({error})") from error


def _encoding(response: httpx2.Response) -> str:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding
