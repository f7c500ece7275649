# SPDX-License-Identifier: GPL-3.0-or-later
"""Every random number of a job, from one generator on the CPU: a seed gives the same texture on every device
(docs/algorithms/flexisyncmvd.md, section 7)."""

import torch
from torch import Tensor


class Draws:
    """Draws in the order in which they are asked for, brought to `device`. `what` names a draw, for whoever replays it.

    Numbers travel from pinned memory, so that drawing overlaps with the GPU's work and does not wait for it.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._device = torch.device(device)
        self._pinned = self._device.type == "cuda"

    def normal(self, what: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, float32."""
        return self._brought(torch.randn(shape, generator=self._generator, pin_memory=self._pinned))

    def colors(self, step: int, views: int, choices: int) -> Tensor:
        """For each view the index of its background color in `step`, int64 [views], below `choices`."""
        return self._brought(torch.randint(choices, (views,), generator=self._generator, pin_memory=self._pinned))

    def _brought(self, numbers: Tensor) -> Tensor:
        return numbers.to(self._device, non_blocking=True)
