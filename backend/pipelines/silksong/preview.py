# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh so far, for the artist to watch during generation."""

import logging
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...contract import JobFolder, MeshData, MeshwrightError
from .tokenizer import Salvage, mesh_so_far

logger = logging.getLogger(__name__)

PREVIEW_FILE = "preview.npz"
SECONDS_BETWEEN = 0.2
LARGEST_SHARE = 0.05
"""Of the time that generation takes, for previews. Each token is decoded once; only writing grows with the mesh."""


class GenerationPreview:
    """A streamer that writes the first row's mesh into the job's outputs, at most five times a second as it grows.

    `placed` maps float [V, 3] from the tokens' frame to Blender's; `report` is called with the file's name. The faces
    are wound as the tokens say, which is only locally consistent. A disk that takes no preview costs the preview, no
    more.
    """

    def __init__(self, folder: JobFolder, placed: Callable[[NDArray[np.floating]], NDArray[np.floating]],
                 report: Callable[[str], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._path, self._placed, self._report, self._clock = folder.outputs / PREVIEW_FILE, placed, report, clock
        self._salvage = Salvage()
        self._shown_faces, self._next = 0, clock()

    def __call__(self, new_tokens: NDArray[np.int64]) -> None:
        """Take new tokens [rows, n], -1 after a row's end."""
        self._salvage.add(new_tokens[0])
        begin = self._clock()
        if begin < self._next or self._salvage.face_count == self._shown_faces:
            return
        self._shown_faces = self._salvage.face_count
        mesh = mesh_so_far(self._salvage)
        try:
            MeshData(self._placed(mesh.vertices), mesh.faces).write(self._path)
        except MeshwrightError as error:
            logger.warning("No preview: %s", error)
        else:
            self._report(self._path.name)
        self._next = begin + max(SECONDS_BETWEEN, (self._clock() - begin) / LARGEST_SHARE)
