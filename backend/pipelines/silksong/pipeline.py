# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline of Mesh Silksong: a surface to token sequences of clean low-poly meshes.

See docs/algorithms/silksong.md.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...contract import BadInput
from ...contract.reports import StageReport, ignore
from ..common.finiteness import not_finite
from ..common.saved_pipeline import SavedPipeline
from .generation import Streamer, TokenGenerator
from .point_encoder import POINT_CHANNELS, SilksongConditioner
from .point_sampling import sample_condition_points
from .sampling import SamplingSettings
from .transformer import SilksongTransformer


class SilksongPipeline(SavedPipeline):
    """A mesh or its points to one or more token sequences, for the tokenizer to decode."""

    component_classes = {
        "conditioner": (SilksongConditioner,),
        "transformer": (SilksongTransformer,),
    }

    def __init__(self, conditioner: SilksongConditioner, transformer: SilksongTransformer):
        super().__init__()
        self.register_modules(conditioner=conditioner, transformer=transformer)
        self._generator: TokenGenerator | None = None

    def place(self, device: torch.device | str) -> "SilksongPipeline":
        """Move both networks to `device`."""
        self._generator = None
        self.conditioner.to(device)
        self.transformer.to(device)
        return self

    @property
    def max_tokens(self) -> int:
        """Length of the longest sequence that the transformer can write."""
        return len(self.transformer.abs_pos_emb.weight)

    @torch.no_grad()
    def __call__(
        self,
        vertices: ArrayLike | None = None,
        faces: ArrayLike | None = None,
        *,
        points: Tensor | None = None,
        variants: int = 1,
        rows_at_once: int | None = None,
        temperature: float = 0.5,
        top_k: int = 50,
        top_p: float = 0.95,
        greedy: bool = False,
        seed: int = 0,
        max_tokens: int | None = None,
        grammar: bool = True,
        progress: StageReport = ignore,
        streamer: Streamer = ignore,
    ) -> list[NDArray[np.int64]]:
        """Tokens int64 `[n]` of each variant of each surface, surface by surface, without the end token.

        The surface is a mesh (`vertices [V, 3]`, `faces` int `[F, 3]`) or `points [P, 6]` with unit normals, or several
        surfaces are `points [S, P, 6]`; y is up and the longest side of a surface's bounding box is 1.9, around the
        origin. Variant v draws with `seed + v`, whatever else is computed with it. `grammar` off allows every token, as
        the published pipeline does.

        All `S * variants` rows are computed together, or `rows_at_once` of them, which takes less memory and longer.
        `streamer` is called with new tokens `[rows, n]` of the first rows that run together;
        `progress` of the stages "points", "condition" and "tokens".

        Raises BadInput for a surface without area, NotFiniteError (damaged weights, too little precision), and
        ValueError for parameters out of their range.
        """
        settings = SamplingSettings(temperature, top_k, top_p, greedy)
        if points is None:
            if vertices is None or faces is None:
                raise ValueError("there must be vertices and faces, or points")
            points = sample_condition_points(vertices, faces, seed)
        progress("points", 1, 1)
        conditions = self.encode_condition(points)
        progress("condition", 1, 1)
        rows = [(surface, seed + variant) for surface in range(len(conditions)) for variant in range(variants)]
        at_once = rows_at_once or len(rows)
        passes = [rows[first : first + at_once] for first in range(0, len(rows), at_once)]
        sequences = []
        for number, together in enumerate(passes):
            generator = self._generator_for(len(together), max_tokens or self.max_tokens, settings, grammar)
            surfaces, seeds = zip(*together, strict=True)
            condition = conditions if len(conditions) == 1 else conditions[list(surfaces)]
            report = partial(_report_pass, progress, number, len(passes))
            sequences += generator.run(condition, seeds, None, streamer if number == 0 else ignore, report)
        return sequences

    def encode_condition(self, points: Tensor) -> Tensor:
        """Conditions `[S, 257, W]` of `points [P, 6]` or `[S, P, 6]`, rounded to float16 first, as in training."""
        fits = points.ndim in (2, 3) and points.shape[-1] == POINT_CHANNELS and points.numel()
        if not fits or not points.isfinite().all():
            raise BadInput("The point cloud cannot be used.",
                           f"Its shape is {list(points.shape)}, or it holds values that are not numbers.",
                           "Give points with normals, six numbers each.")
        points = points.to(self.conditioner.device, torch.float16).to(self.conditioner.dtype)
        condition = self.conditioner(points.view(-1, *points.shape[-2:])).to(self.transformer.device)
        if not condition.isfinite().all():
            raise not_finite("The object's condition", "object", "Try full precision")
        return condition

    def _generator_for(self, rows: int, max_tokens: int, settings: SamplingSettings, grammar: bool) -> TokenGenerator:
        """The last run's generator, whose graphs are recorded already, if it serves this run too."""
        last = self._generator
        wanted = (rows, max_tokens, settings, grammar, self.transformer.device)
        if last and wanted == (last.rows, last.max_tokens, last.settings, bool(last.grammar), last.device):
            return last
        self._generator = None
        self._generator = generator = TokenGenerator(self.transformer, rows, max_tokens, settings, grammar)
        return generator


def _report_pass(progress: StageReport, number: int, passes: int, done: int, of: int) -> None:
    """Report the tokens of one of several passes, each of which has as many."""
    progress("tokens", number * of + done, passes * of)
