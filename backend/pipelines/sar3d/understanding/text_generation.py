# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress, cancelling and finiteness while a language model writes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria

from ...common.finiteness import not_finite


class Watched(StoppingCriteria):
    """Reports every new token; what the report raises ends the generation."""

    def __init__(self, report: Callable[[int, int], None], most: int):
        self.report, self.most, self.written = report, most, 0

    def __call__(self, input_ids: Tensor, scores: Any, **_options: Any) -> Tensor:
        self.written += 1
        self.report(min(self.written, self.most), self.most)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class Finite(LogitsProcessor):
    """Raises NotFiniteError where a token's probability is not a number: the likeliest would be any."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if scores.isnan().any():
            raise not_finite("The probabilities of the words", "mesh", "Try again")
        return scores
