# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub has under the name of a file of weights. Obeys HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE."""

import os
import re
from dataclasses import dataclass

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import FileMetadataError
from huggingface_hub.utils import build_hf_headers

from ..contract import MeshwrightError, WeightFile

NEWEST = "main"
_CHECKSUM = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Offer:
    """One file of one revision, as the hub offers it.

    Attributes:
        url: names the revision, so all parts of a download are of one version.
        checksum: the hub's own: the SHA-256 of a large file (64 digits), the id of the git blob of another (40).
    """

    file: WeightFile
    url: str
    size: int
    checksum: str
    revision: str


def look_up(file: WeightFile, revision: str) -> Offer:
    """Ask the hub for size, revision and checksum of one file at a revision, which may be `NEWEST`.

    Raises MeshwrightError where it is not the file that we know, and what huggingface_hub and httpx2 raise.
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    metadata = get_hf_file_metadata(
        hf_hub_url(file.repository, file.remote, revision=revision, endpoint=endpoint),
        timeout=constants.HF_HUB_ETAG_TIMEOUT, endpoint=endpoint, headers=request_headers(),
    )
    size, checksum, commit = metadata.size, metadata.etag or "", metadata.commit_hash or ""
    if size is None or size <= 0 or not _CHECKSUM.fullmatch(checksum) or not _COMMIT.fullmatch(commit):
        raise FileMetadataError(f"No size, checksum or revision for {file.remote}: this does not seem to be a hub.")
    if revision not in (NEWEST, commit):
        raise FileMetadataError(f"Revision {revision} of {file.repository} was asked for, {commit} was answered.")
    _compare(file, size, checksum)
    url = hf_hub_url(file.repository, file.remote, revision=commit, endpoint=endpoint)
    return Offer(file, url, size, checksum, commit)


def _compare(file: WeightFile, size: int, checksum: str) -> None:
    other = ""
    if file.bytes is not None and size != file.bytes:
        other = f"It has {size:,} bytes there instead of {file.bytes:,}."
    elif file.sha256 is not None and len(checksum) == 64 and checksum != file.sha256:
        other = "Its SHA-256 is another one there."
    if other:
        raise MeshwrightError(f"{file.remote} on the hub is not the file that Meshwright knows.", other,
                              "Its authors have replaced it: update Meshwright.")


def request_headers() -> dict[str, str]:
    """The artist's token where there is one, and no compression: bytes on the way are bytes of the file.

    A token that was stored for the public hub (`hf auth login`) is not sent to another address.
    """
    is_public = _address() == constants._HF_DEFAULT_ENDPOINT
    token = None if is_public else os.environ.get("HF_TOKEN") or False
    return {**build_hf_headers(token=token, library_name="meshwright"), "Accept-Encoding": "identity"}


def model_page(repository: str) -> str:
    """Address of a repository's page, where terms are read and accepted."""
    return f"{_address()}/{repository}"


def _address() -> str:
    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
