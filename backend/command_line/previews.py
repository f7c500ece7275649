# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's previews, kept as files with its results."""

import shutil
from collections import Counter
from pathlib import Path

from ..contract import Event, JobFolder, MeshData, Preview, unwritable_folder
from ..geometry.mesh_files import NamedMesh, write_parts


class KeptPreviews:
    """Copies every preview into `target`, numbered: `views.001.png`, `views.002.png`. Meshes become GLB files. Those of
    an earlier run go when the first one comes.
    """

    def __init__(self, folder: JobFolder, target: Path) -> None:
        self._folder, self._target = folder, target
        self._seen: Counter[str] = Counter()

    def keep(self, event: Event) -> None:
        """Take any event of the job. Raises MeshwrightError when the folder cannot be written."""
        if not isinstance(event, Preview):
            return
        self._seen[event.file] += 1
        shown, number = self._folder.outputs / event.file, self._seen[event.file]
        try:
            if self._seen.total() == 1 and self._target.exists():
                shutil.rmtree(self._target)
            self._target.mkdir(parents=True, exist_ok=True)
            if shown.suffix == ".npz":
                part = NamedMesh(shown.stem, MeshData.read(shown))
                write_parts(self._target / f"{shown.stem}.{number:03d}.glb", [part])
            else:
                shutil.copy(shown, self._target / f"{shown.stem}.{number:03d}{shown.suffix}")
        except OSError as error:
            raise unwritable_folder(self._target, error) from error
