# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing the next token from logits: largest k, nucleus, and only then the temperature.

See docs/algorithms/silksong.md, section 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingSettings:
    """`greedy` takes the largest logit and ignores the rest. The defaults are the published ones."""

    temperature: float = 0.5
    top_k: int = 50
    top_p: float = 0.95
    greedy: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")


def filtered_probabilities(logits: Tensor, settings: SamplingSettings) -> tuple[Tensor, Tensor]:
    """Probabilities float32 `[B, k]`, largest first, and their tokens int64 `[B, k]`, of `logits [B, V]`.

    The nucleus is cut from the distribution without temperature: a token is dropped when those before it already
    exceed `top_p`. Tokens that are dropped, and logits of minus infinity, have probability 0.
    """
    logits, tokens = logits.float().topk(min(settings.top_k, logits.shape[-1]), dim=-1)
    probabilities = logits.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    # The first always stays; a sum and a difference may leave it a rounding above zero.
    before[..., 0] = 0
    logits = logits.masked_fill(before > settings.top_p, -torch.inf)
    return (logits / settings.temperature).softmax(dim=-1), tokens


def draw(logits: Tensor, uniform: Tensor, settings: SamplingSettings) -> Tensor:
    """One token per row, int64 `[B]`, of `logits [B, V]` by `uniform` float32 `[B]` in [0, 1).

    The random numbers come from outside, so that a seed gives the same draws on every device, and so that this can
    be part of a recorded graph.
    """
    if settings.greedy:
        return logits.argmax(dim=-1)
    probabilities, tokens = filtered_probabilities(logits, settings)
    cumulative = probabilities.cumsum(dim=-1)
    place = (cumulative <= uniform.unsqueeze(-1) * cumulative[..., -1:]).sum(dim=-1, keepdim=True)
    # Probabilities that are not numbers draw any token; an index of -1 would end the whole process on a GPU.
    last = ((probabilities > 0).sum(dim=-1, keepdim=True) - 1).clamp(min=0)
    return tokens.gather(-1, torch.minimum(place, last)).squeeze(-1)


def uniform_numbers(seeds: Sequence[int], count: int) -> Tensor:
    """Random numbers float32 `[count, rows]` in [0, 1), the same on every machine; a row depends on its seed alone."""
    return torch.stack([torch.rand(count, generator=torch.Generator().manual_seed(seed)) for seed in seeds], dim=1)
