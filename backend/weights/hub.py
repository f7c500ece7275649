# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub has under the name of a file of weights. Obeys HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE."""

import os
import re
from dataclasses import dataclass

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import FileMetadataError
from huggingface_hub.utils import build_hf_headers

from ..contract import MeshwrightError, WeightFile

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Offer:
    """One file as the hub offers it now. `url` names its commit, so all parts of a download are of one version."""

    file: WeightFile
    url: str
    size: int
    etag: str

    @property
    def sha256(self) -> str | None:
        """The content's SHA-256: known beforehand, or given by the hub, whose tag of a large file it is."""
        return self.file.sha256 or (self.etag if _SHA256.fullmatch(self.etag) else None)


def look_up(file: WeightFile) -> Offer:
    """Ask the hub for size, version and tag of one file.

    Raises MeshwrightError where it is not the file that we know, and what huggingface_hub and httpx2 raise.
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    metadata = get_hf_file_metadata(
        hf_hub_url(file.repository, file.remote, endpoint=endpoint), timeout=constants.HF_HUB_ETAG_TIMEOUT,
        endpoint=endpoint, headers=request_headers(),
    )
    if metadata.size is None or not metadata.etag or not metadata.commit_hash:
        raise FileMetadataError(f"No size, tag or commit for {file.remote}: this does not seem to be a hub.")
    if file.bytes is not None and metadata.size != file.bytes:
        raise MeshwrightError(
            f"{file.remote} on the hub is not the file that Meshwright knows.",
            f"It has {metadata.size:,} bytes there instead of {file.bytes:,}.",
            "Its makers have replaced it: update Meshwright.",
        )
    url = hf_hub_url(file.repository, file.remote, revision=metadata.commit_hash, endpoint=endpoint)
    return Offer(file, url, metadata.size, metadata.etag)


def request_headers() -> dict[str, str]:
    """The user's token where there is one, and no compression: bytes on the way are bytes of the file."""
    return {**build_hf_headers(library_name="meshwright"), "Accept-Encoding": "identity"}


def model_page(repository: str) -> str:
    """Address of a repository's page, where terms are read and accepted."""
    return f"{os.environ.get('HF_ENDPOINT', constants.ENDPOINT).rstrip('/')}/{repository}"
