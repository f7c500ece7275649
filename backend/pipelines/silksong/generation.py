# SPDX-License-Identifier: GPL-3.0-or-later
"""Token sequences from a condition, token by token (docs/algorithms/silksong.md, section 7).

On a GPU the step is recorded once per cache length as a CUDA graph and replayed; sampling and grammar are part of it,
so that nothing waits for Python between two tokens. The host looks at what came out `TOKENS_PER_REPORT` tokens at a
time, while the next ones are under way. That is why this is not the samplers' `paced` loop: nobody knows how many steps
there will be, and what a step's report says is read one step later.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract.reports import CountReport, ignore
from ..common.finiteness import not_finite
from ..common.pacing import Pace
from .decoding import CHUNK, StaticDecoder
from .grammar import MIN_TOKENS, Grammar
from .sampling import SamplingSettings, draw, uniform_numbers
from .tokenizer import vocabulary
from .transformer import IGNORED, SilksongTransformer

TOKENS_PER_REPORT = 8
"""With one report under way and one being read, a cancel comes at most twice as many tokens late."""

Streamer = Callable[[NDArray[np.int64]], None]
"""Called with new tokens `[rows, n]` as they are generated, -1 from a row's end on."""


class TokenGenerator:
    """Generates `rows` sequences of at most `max_tokens` tokens at a time; its cache and graphs serve many runs."""

    def __init__(
        self,
        transformer: SilksongTransformer,
        rows: int = 1,
        max_tokens: int | None = None,
        settings: SamplingSettings | None = None,
        grammar: bool = True,
    ):
        """`max_tokens` is at most the number of positions that the transformer knows, which is the default.

        Raises ValueError for numbers out of their range.
        """
        known = len(transformer.abs_pos_emb.weight)
        self.max_tokens = known if max_tokens is None else max_tokens
        fewest = MIN_TOKENS if grammar else 1
        if not fewest <= self.max_tokens <= known:
            raise ValueError(f"max_tokens must be from {fewest} to {known}, not {self.max_tokens}")
        if rows < 1:
            raise ValueError(f"there must be at least one sequence, not {rows}")
        self.rows, self.settings = rows, settings or SamplingSettings()
        self.device = transformer.device
        self.decoder = StaticDecoder(transformer, rows, -(-self.max_tokens // CHUNK) * CHUNK)
        self.grammar = Grammar(self.device, len(transformer.token_embed.weight)) if grammar else None
        self._state = self.grammar.start(rows) if self.grammar else None
        # Row 0 is the start and row i the i-th token; one row more, so that the last step has somewhere to write.
        self._tokens = torch.empty(self.max_tokens + 1, rows, dtype=torch.int64, device=self.device)
        self._uniform = torch.empty(self.max_tokens, rows, device=self.device)
        self._position = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._recorded_condition: torch.Size | None = None
        self._pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None

    @torch.no_grad()
    def run(
        self,
        condition: Tensor,
        seed: int | Sequence[int] = 0,
        prompt: Tensor | None = None,
        streamer: Streamer = ignore,
        report: CountReport = ignore,
    ) -> list[NDArray[np.int64]]:
        """One int64 array of tokens per row, without the end token; a row that never ended has `max_tokens`.

        `condition [rows or 1, T, Dc]`; `prompt` int64 `[n]` begins every row and is part of the result. `seed` is one
        for each row, or the first row's, and row r then has `seed + r`. The same seed gives the same draws on every
        device and in every row, whatever the other rows are. `report` gets the tokens so far, and the most there
        can be.

        Raises NotFiniteError (damaged weights, too little precision).
        """
        with torch.cuda.device(self.device) if self._pool is not None else nullcontext():
            return self._run(condition, seed, prompt, streamer, report)

    def _run(
        self,
        condition: Tensor,
        seed: int | Sequence[int],
        prompt: Tensor | None,
        streamer: Streamer,
        report: CountReport,
    ) -> list[NDArray[np.int64]]:
        self._begin(condition, range(seed, seed + self.rows) if isinstance(seed, int) else seed, prompt)
        pinned = self.device.type == "cuda"
        host = torch.full(self._tokens.shape, IGNORED, pin_memory=pinned)
        all_finite = torch.ones((), dtype=torch.bool, pin_memory=pinned)
        ended = np.zeros(self.rows, bool)
        pace, read, queued = Pace(self.device), 1, 0
        while True:
            start, queued = queued, min(queued + TOKENS_PER_REPORT, self.max_tokens)
            for position in range(start, queued):
                self._advance(position)
            new_rows = slice(start + 1, queued + 1)
            host[new_rows].copy_(self._tokens[new_rows], non_blocking=self._pool is not None)
            all_finite.copy_(self._finite, non_blocking=self._pool is not None)
            pace.step()
            # What was queued last may still be computed; all before it has come.
            complete = self._complete(start, queued)
            if not all_finite:
                raise not_finite("The probabilities of the tokens", "object", "Try full precision")
            while read <= complete:
                stop = min(read + TOKENS_PER_REPORT, complete + 1)
                new, ended = _until_end(host[read:stop].numpy().T, ended)
                streamer(new)
                report(stop - 1, self.max_tokens)
                read = stop
            if ended.all() or read > self.max_tokens:
                return [_tokens_of(row) for row in host[1:read].numpy().T]

    def _complete(self, start: int, queued: int) -> int:
        """Tokens that have reached the host after `start` to `queued` were queued."""
        if self._pool is None:
            return queued
        if queued == self.max_tokens:
            torch.cuda.synchronize(self.device)
            return queued
        return start

    def _begin(self, condition: Tensor, seeds: Sequence[int], prompt: Tensor | None) -> None:
        if condition.shape != self._recorded_condition:
            # Keys and values of a condition of another shape lie elsewhere than the recorded steps read.
            self._graphs.clear()
            self._recorded_condition = condition.shape
        self.decoder.begin(condition)
        if self.grammar and self._state:
            self.grammar.reset(self._state)
        self._tokens.fill_(IGNORED)
        self._tokens[0] = self.decoder.start
        if prompt is not None:
            self._tokens[1 : len(prompt) + 1] = prompt.to(self.device)[:, None]
        self._uniform.copy_(uniform_numbers(seeds, self.max_tokens))
        self._position.zero_()
        self._finite.fill_(True)

    def _advance(self, position: int) -> None:
        """Queue the step that reads `position` and writes the token after it."""
        length = cache_length(position, self.decoder.capacity)
        if self._pool is None:
            self._step(length)
        elif length in self._graphs:
            self._graphs[length].replay()
        else:
            # The first step of a length runs as it is, which also prepares the libraries for the recording.
            self._step(length)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(length)
            self._graphs[length] = graph

    def _step(self, length: int) -> None:
        """One token for every row, all on the device. A token of the prompt is kept, whatever was drawn."""
        logits = self.decoder.logits(self._tokens[self._position][0], self._position, length)
        self._finite.logical_and_(logits.isfinite().all())
        if self.grammar and self._state:
            allowed = self.grammar.allowed(self._state, self.max_tokens - self._position)
            logits = logits.masked_fill(~allowed, -torch.inf)
        following = self._position + 1
        drawn = draw(logits, self._uniform[self._position][0], self.settings)
        given = self._tokens[following][0]
        drawn = torch.where(given == IGNORED, drawn, given)
        self._tokens.index_copy_(0, following, drawn[None])
        if self.grammar and self._state:
            self.grammar.advance(self._state, drawn)
        self._position.add_(1)


def cache_length(position: int, capacity: int) -> int:
    """How much of the cache a step at `position` reads: few different lengths, none much more than needed."""
    needed = position + 1
    step = next(step for step in (CHUNK, 4 * CHUNK, 8 * CHUNK, 16 * CHUNK) if needed <= 4 * step or step == 16 * CHUNK)
    return min(-(-needed // step) * step, capacity)


def _until_end(tokens: NDArray[np.int64], ended: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`tokens [rows, n]` with -1 from each row's end on, and the rows `[rows]` that have ended by now."""
    over = np.logical_or.accumulate(tokens == vocabulary.END, axis=1) | ended[:, None]
    return np.where(over, IGNORED, tokens), over[:, -1]


def _tokens_of(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tokens before a row's first end token."""
    ends = np.flatnonzero(row == vocabulary.END)
    return row[: ends[0]].copy() if len(ends) else row.copy()


def generate(
    transformer: SilksongTransformer,
    condition: Tensor,
    *,
    do_sample: bool = True,
    temperature: float = 0.5,
    top_k: int = 50,
    top_p: float = 0.95,
    max_new_tokens: int | None = None,
    seed: int = 0,
    prompt: Tensor | None = None,
    grammar: bool = False,
    streamer: Streamer = ignore,
) -> list[NDArray[np.int64]]:
    """One sequence for each row of `condition [B, T, Dc]`; the words are those of `transformers`' `generate`.

    `do_sample` off takes the largest logit. `max_new_tokens` counts after the prompt.
    """
    settings = SamplingSettings(temperature, top_k, top_p, greedy=not do_sample)
    limit = None if max_new_tokens is None else max_new_tokens + (0 if prompt is None else len(prompt))
    generator = TokenGenerator(transformer, len(condition), limit, settings, grammar)
    return generator.run(condition, seed, prompt, streamer)
