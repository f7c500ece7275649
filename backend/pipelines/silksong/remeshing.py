# SPDX-License-Identifier: GPL-3.0-or-later
"""The task `remesh`: one or several mesh files are remeshed in one batch."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract import FileResult, JobFolder, MeshwrightError, Progress, Request, Resources, Result
from ...contract.reports import ignore
from .pipeline import SilksongPipeline
from .preview import GenerationPreview
from .quality import best_first
from .surface import InputSurface
from .variants import mesh_variants, result_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
TOKENS_A_FACE, FURTHER_TOKENS = 2, 240
"""What a face takes in the mean, and room for the tokens that begin and end layers."""
Sequences = Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class Remeshing:
    """One run. Every file's points and draws come from the request's seed alone: it comes out as if it were alone."""

    model: SilksongPipeline
    request: Request
    folder: JobFolder
    resources: Resources
    progress: Progress

    def run(self) -> Result:
        """The result of the one input file, or of several each one's own result or error, by file.

        Raises MeshwrightError for what befalls a single file, or all.
        """
        files = self.request.inputs["mesh"]
        errors: dict[str, FileResult] = {}
        surfaces = self._each(files, lambda number, file: self._surface(number, file), errors)
        sequences = dict(zip(surfaces, self._sequences(list(surfaces.values())), strict=True)) if surfaces else {}
        results = self._each(
            list(surfaces), lambda number, file: self._result(number, file, surfaces[file], sequences), errors)
        if len(files) == 1:
            return results[files[0]]
        done = errors | {file: FileResult(result.artifacts, result.notes) for file, result in results.items()}
        return Result((), files={file: done[file] for file in files})

    def _each(
        self, files: Sequence[str], action: Callable[[int, str], T], errors: dict[str, FileResult]
    ) -> dict[str, T]:
        """What `action` gives for each file. The error of one of several is kept, that of a single one raised."""
        given = {}
        for number, file in enumerate(files):
            try:
                given[file] = action(number, file)
            except MeshwrightError as error:
                if len(self.request.inputs["mesh"]) == 1:
                    raise
                logger.warning("%s: %s", file, error, exc_info=error)
                errors[file] = FileResult(error=error.report)
        return given

    def _surface(self, number: int, file: str) -> InputSurface:
        self.progress.stage("points", number, len(self.request.inputs["mesh"]))
        return InputSurface.read(self.folder.inputs / file, self.request.seed, self.progress.check)

    def _sequences(self, surfaces: Sequence[InputSurface]) -> list[Sequences]:
        """The token sequences of each surface's variants. Only the first row of a single surface is watched."""
        options, rows = self.request.parameters, len(surfaces) * int(self.request.parameters["variants"])
        watch = len(surfaces) == 1
        sequences = self.model(
            points=torch.stack([surface.points for surface in surfaces]),
            variants=int(options["variants"]),
            rows_at_once=max(1, int(rows * self.resources.chunk_scale)),
            temperature=float(options["temperature"]),
            top_k=int(options["top_k"]),
            top_p=float(options["top_p"]),
            greedy=bool(options["greedy"]),
            grammar=bool(options["grammar"]),
            seed=self.request.seed,
            max_tokens=self._max_tokens,
            progress=self.progress.stage,
            streamer=GenerationPreview(self.folder, surfaces[0].placed, self.progress.preview) if watch else ignore,
        )
        self.progress.stage("tokens", 1, 1)  # most sequences end long before the most tokens that there can be
        each = len(sequences) // len(surfaces)
        return [sequences[first : first + each] for first in range(0, len(sequences), each)]

    def _result(self, number: int, file: str, surface: InputSurface, sequences: dict[str, Sequences]) -> Result:
        """The file's variants, compared with it; of several files each writes artifacts of its own name."""
        of = len(sequences)

        def decoded(done: int, count: int) -> None:
            self.progress.stage("decode", number * count + done, of * count)

        variants = mesh_variants(sequences[file], self._max_tokens, surface.placed, surface.closed, decoded)
        ranked = best_first(variants, surface.original, closed=surface.closed,
                            check=lambda: self.progress.stage("quality", number, of), warn=self.progress.warn)
        self.progress.stage("quality", number + 1, of)
        alone = len(self.request.inputs["mesh"]) == 1
        name, prefix = (self.request.subject, "") if alone else (Path(file).stem, f"{Path(file).stem}.")
        return result_of(ranked, int(self.request.parameters["variants"]), name, self.folder, prefix)

    @property
    def _max_tokens(self) -> int:
        """The longest sequence for that many faces."""
        return min(TOKENS_A_FACE * int(self.request.parameters["max_faces"]) + FURTHER_TOKENS, self.model.max_tokens)
