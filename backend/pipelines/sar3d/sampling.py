# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing tokens from logits: the largest k, then the nucleus."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingSettings:
    """How tokens are drawn. The defaults are the published ones, which are nearly greedy.

    Attributes:
        guidance: how much the condition counts at the last scale; it rises from 0 at the first.
        top_k: only this many of the likeliest tokens are drawn from; 0 for all.
        top_p: only the likeliest tokens with this share are drawn from; 0 for all.

    Raises:
        ValueError: a setting is out of its range.
    """

    guidance: float = 4.0
    top_k: int = 10
    top_p: float = 0.5

    def __post_init__(self) -> None:
        if not self.guidance >= 0:
            raise ValueError(f"guidance must be at least 0, not {self.guidance}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be at least 0, not {self.top_k}")
        if not 0 <= self.top_p <= 1:
            raise ValueError(f"top_p must be from 0 to 1, not {self.top_p}")


def filtered_probabilities(logits: Tensor, settings: SamplingSettings) -> tuple[Tensor, Tensor]:
    """Probabilities float32 `[..., k]`, largest first, and their tokens int64 `[..., k]`, of `logits [..., V]`.

    A token is dropped when it and all that are less likely have a share of at most 1 - `top_p`; the likeliest stays.
    What is dropped has probability 0.
    """
    vocabulary = logits.shape[-1]
    count = min(settings.top_k, vocabulary) if settings.top_k else vocabulary
    kept, tokens = logits.float().topk(count, dim=-1)
    if settings.top_p:
        up_to = kept.softmax(dim=-1).flip(-1).cumsum(dim=-1).flip(-1)
        dropped = up_to <= 1 - settings.top_p
        dropped[..., 0] = False
        kept = kept.masked_fill(dropped, -torch.inf)
    return kept.softmax(dim=-1), tokens


def draw(logits: Tensor, uniform: Tensor, settings: SamplingSettings) -> Tensor:
    """One token for each position, int64 `[...]`, of `logits [..., V]` by `uniform` float32 `[...]` in [0, 1).

    The random numbers are given, so that a seed gives the same draws on every device, and so that this can be part
    of a recorded graph.
    """
    probabilities, tokens = filtered_probabilities(logits, settings)
    cumulative = probabilities.cumsum(dim=-1)
    place = (cumulative <= uniform.unsqueeze(-1) * cumulative[..., -1:]).sum(dim=-1, keepdim=True)
    # Probabilities that are not numbers draw any token; an index of -1 would end the whole process on a GPU.
    last = ((probabilities > 0).sum(dim=-1, keepdim=True) - 1).clamp(min=0)
    return tokens.gather(-1, torch.minimum(place, last)).squeeze(-1)
