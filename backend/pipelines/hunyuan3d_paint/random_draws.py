# SPDX-License-Identifier: GPL-3.0-or-later
"""Every random number of a run, from one generator on the CPU: a seed gives the same textures on every device."""

import torch
from torch import Tensor


class Draws:
    """Draws in the order in which they are asked for, brought to `device`."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._device = device

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, float32."""
        return torch.randn(shape, generator=self._generator).to(self._device)
