# SPDX-License-Identifier: GPL-3.0-or-later
"""Every random number of a job, from one generator on the CPU: a seed gives the same texture on every device
(spec 2.21)."""

import torch
from torch import Tensor


class Draws:
    """Draws in the order in which they are asked for. `what` names a draw, for whoever records or replays them."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, what: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, float32 on the CPU."""
        return torch.randn(shape, generator=self._generator)

    def colours(self, step: int, views: int, choices: int) -> Tensor:
        """For each view the index of its background colour in `step`, int64 [views], below `choices`."""
        return torch.randint(choices, (views,), generator=self._generator)
