# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a result, looked at before anything is made of them."""

import os
import stat
import zipfile
from pathlib import Path

from ..backend.contract import Artifact, JobFolder, MeshwrightError, Remedy, Result

MAXIMUM_BYTES = 8 * 1024**3
"""Of one file, unpacked: far more than Blender can show."""


def check_files(folder: JobFolder, result: Result) -> None:
    """Raises MeshwrightError unless every artifact is a regular file of a bearable size in the job's outputs."""
    for artifact in result.artifacts:
        path = folder.outputs / Path(artifact.file).name
        if fault := _fault(path, artifact):
            raise MeshwrightError(f"{artifact.name} cannot be read.", f"{path.name[:100]} {fault}.",
                                  "Start the job again.", Remedy.RETRY)


def _fault(path: Path, artifact: Artifact) -> str:
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, a link may lead anywhere
            return "is no regular file"
        if _unpacked_bytes(path, found.st_size, artifact) > MAXIMUM_BYTES:
            return "is too large"
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return f"cannot be opened: {getattr(error, 'strerror', None) or error}"
    return ""


def _unpacked_bytes(path: Path, size: int, artifact: Artifact) -> int:
    if artifact.kind != "mesh":
        return size
    with zipfile.ZipFile(path) as packed:
        return max(size, sum(part.file_size for part in packed.infolist()))
