# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong with a download, in the artist's words."""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, OfflineModeIsEnabled

from ..contract import MeshwrightError, Remedy, WeightFile, unwritable_folder
from .answer import WrongContent
from .hub import model_page
from .patience import retry_after

_FULL = (errno.ENOSPC, errno.EDQUOT)
RESUMES = "What arrived is kept; the download continues from there."

FAILURES = (OSError, httpx2.HTTPError, httpx2.InvalidURL, WrongContent)
"""Everything that `look_up` and `transfer` raise besides a MeshwrightError."""


@contextmanager
def explained(file: WeightFile, folder: Path) -> Iterator[None]:
    """Turn what looking up and fetching a file raise into a MeshwrightError."""
    try:
        yield
    except FAILURES as error:
        raise explain(error, file, folder) from error


def explain(error: OSError | httpx2.HTTPError | httpx2.InvalidURL | WrongContent, file: WeightFile,
            folder: Path) -> MeshwrightError:
    """The MeshwrightError for one of `FAILURES`."""
    by_hand = f"or put {file.remote} of {file.repository} into {folder} as {file.local}"
    if isinstance(error, OfflineModeIsEnabled):
        return MeshwrightError("Downloads are switched off.", "Offline mode is on (HF_HUB_OFFLINE).",
                               f"Switch it off, {by_hand}.", Remedy.CHOOSE_FOLDER, str(error))
    if isinstance(error, HfHubHTTPError):
        return _refusal(error, file, by_hand)
    if isinstance(error, WrongContent):
        return MeshwrightError(f"{file.remote} did not arrive as it was published.", f"{error}.",
                               "Download it again; if it happens twice, look for a proxy or a mirror on the way.",
                               Remedy.DOWNLOAD)
    if isinstance(error, FileMetadataError):
        return MeshwrightError("This is not a model hub.", f"The answer from {model_page(file.repository)} lacks what "
                               "a hub says about its files.", "Check the hub's address in the preferences "
                               f"(HF_ENDPOINT) and your proxy, {by_hand}.", Remedy.OPEN_PREFERENCES, str(error))
    if isinstance(error, (httpx2.HTTPError, httpx2.InvalidURL)):
        return MeshwrightError("The model hub cannot be reached.", f"{model_page(file.repository)}: "
                               f"{str(error) or type(error).__name__}.",
                               "Check the network, proxy, firewall and the hub's address in the preferences, and try "
                               f"again. {RESUMES} You can also "
                               f"{by_hand.removeprefix('or ')}.", Remedy.RETRY, repr(error))
    return _disk(error, folder)


def _refusal(error: HfHubHTTPError, file: WeightFile, by_hand: str) -> MeshwrightError:
    status = error.response.status_code
    page = model_page(file.repository)
    if status in (401, 403):
        return MeshwrightError(
            f"The hub does not give {file.repository} to you yet.", f"It answered {status}: it wants a token, or its "
            "terms accepted on the page.", f"Open {page} and accept the terms there, enter an access token in the "
            f"preferences (HF_TOKEN), and try again, {by_hand}.", Remedy.OPEN_PREFERENCES, str(error))
    if status == 404:
        return MeshwrightError(f"{file.remote} is not on the hub.", f"{page} does not have it (404).",
                               f"Update Meshwright, {by_hand}.", None, str(error))
    seconds = retry_after(error)
    later = f"in {math.ceil(seconds / 60)} minutes" if seconds and seconds > 60 else "in a few minutes"
    return MeshwrightError("The model hub is not available right now.", f"{page} answered {status}.",
                           f"Try again {later}. {RESUMES}", Remedy.RETRY, str(error))


def _disk(error: OSError, folder: Path) -> MeshwrightError:
    if error.errno in _FULL:
        return MeshwrightError("The disk is full.", f"{folder} takes no more.",
                               f"Free some space and try again, or choose another folder. {RESUMES}",
                               Remedy.CHOOSE_FOLDER, str(error))
    return unwritable_folder(folder, error)
