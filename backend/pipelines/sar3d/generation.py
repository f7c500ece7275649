# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens from a condition, one scale of all three planes after the other (paper, section 3.2).

On a GPU every scale, sampling and quantizer included, is recorded as one CUDA graph and replayed: a run is as many
launches as there are scales.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ...contract.reports import CountReport, ignore
from ..common.finiteness import not_finite
from ..common.sampler import paced
from .quantizer import ResidualQuantizer
from .sampling import SamplingSettings, draw
from .scale_steps import ScaleSteps
from .token_layout import PLANES
from .transformer import Condition, NextScaleTransformer


@dataclass(frozen=True)
class Generated:
    """The `tokens` int64 `[B, L]` of objects, and what they add up to: their `latent` float32 `[3 B, C, N, N]`."""

    tokens: Tensor
    latent: Tensor


class TokenGenerator:
    """Generates the tokens of `objects` objects at a time; its buffers and graphs serve many runs.

    The quantizer must be on the transformer's device, in float32.
    """

    def __init__(
        self,
        transformer: NextScaleTransformer,
        quantizer: ResidualQuantizer,
        objects: int = 1,
        condition_tokens: int = 77,
        settings: SamplingSettings | None = None,
        *,
        recorded: bool = True,
    ):
        """`recorded` off runs scales without graphs on a GPU too: for weights that change."""
        self.quantizer, self.objects, self.settings = quantizer, objects, settings or SamplingSettings()
        self.condition_tokens, self.device, self.layout = condition_tokens, transformer.device, transformer.layout
        self.steps = ScaleSteps(transformer, objects, condition_tokens)
        code_width = quantizer.embedding.weight.shape[1]
        self.latent = torch.zeros(PLANES * objects, code_width, quantizer.side, quantizer.side, device=self.device)
        self.tokens = torch.zeros(objects, self.layout.total, dtype=torch.int64, device=self.device)
        self._codes = quantizer.unit_codes()
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)
        self._uniform = torch.zeros(objects, self.layout.total, device=self.device)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle() if recorded and self.device.type == "cuda" else None

    @torch.no_grad()
    def run(
        self, condition: Condition, null: Condition, seeds: Sequence[int], report: CountReport = ignore
    ) -> Generated:
        """The objects' tokens; the same seed gives the same draws on every device and whatever the other objects are.

        Args:
            condition: of each object, `pooled [B, Dc]` and `tokens [B, T, Dc]`.
            null: the condition of nothing, `pooled [1, Dc]` and `tokens [1, T, Dc]`.
            seeds: one for each object.
            report: called with the scales done and the number of scales.

        Raises:
            NotFiniteError: the weights are damaged, or the precision is too low.
        """
        with torch.cuda.device(self.device) if self._pool is not None else nullcontext():
            self.begin(condition, null)
            self._uniform.copy_(uniform_numbers(seeds, self.layout.total))
            for scale in paced(range(len(self.layout.sides)), self.device, report):
                self._advance(scale)
            if not self._finite:
                raise not_finite("The probabilities of the tokens", "input", "Try full precision")
            return Generated(self.tokens.clone(), self.latent.clone())

    def begin(self, condition: Condition, null: Condition) -> None:
        """Take the conditions and forget the last run."""
        self.steps.begin(Condition(*(
            torch.cat([given.to(self.device), absent.to(self.device).expand_as(given)])
            for given, absent in zip(condition, null, strict=True)
        )))
        self.latent.zero_()
        self._finite.fill_(True)

    def logits(self, scale: int) -> Tensor:
        """Guided logits float32 `[B, n, V]` of a scale's tokens, from what the scales before add up to."""
        inputs = self.quantizer.next_input(self.latent, scale) if scale else None
        return self.steps.logits(scale, inputs, self.settings.guidance)

    def accept(self, scale: int, tokens: Tensor) -> None:
        """Add a scale's tokens int64 `[B, n]` to the latent."""
        self.tokens[:, self.layout.span(scale)] = tokens
        of_planes = tokens.reshape(len(self.latent), -1)
        self.latent.add_(self.quantizer.contribution(self._codes[of_planes], scale))

    def _advance(self, scale: int) -> None:
        if self._pool is None:
            self._step(scale)
        elif scale in self._graphs:
            self._graphs[scale].replay()
        else:
            # A scale first runs as it is, which also prepares the libraries for the recording; that runs nothing.
            self._step(scale)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(scale)
            self._graphs[scale] = graph

    def _step(self, scale: int) -> None:
        """All tokens of one scale, all on the device."""
        logits = self.logits(scale)
        self._finite.logical_and_(logits.isfinite().all())
        self.accept(scale, draw(logits, self._uniform[:, self.layout.span(scale)], self.settings))


def uniform_numbers(seeds: Sequence[int], count: int) -> Tensor:
    """Random numbers float32 `[seeds, count]` in [0, 1), the same on every machine."""
    return torch.stack([torch.rand(count, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
