# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank additions to a UNet's attention, trained alone, and saved in the form that diffusers and Meshwright load.

A few lines instead of peft: only linear layers, and inference adds the product to the weights anyway.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")


class LowRankLinear(nn.Module):
    """A frozen linear layer, and next to it ``up @ down`` of a small rank, at first nothing."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, states: Tensor) -> Tensor:
        """The layer's output with the addition."""
        low = nn.functional.linear(states, self.down.to(states.dtype))
        return self.base(states) + nn.functional.linear(low, self.up.to(states.dtype))


def add_low_rank(network: nn.Module, rank: int) -> None:
    """Freeze a network and give every projection of its attention a low-rank addition."""
    network.requires_grad_(False)
    chosen = [(name, module) for name, module in network.named_modules()
              if isinstance(module, nn.Linear) and name.endswith(PROJECTIONS)]
    for name, module in chosen:
        network.set_submodule(name, LowRankLinear(module, rank))


def save_low_rank(path: Path, trained: Mapping[str, Tensor], prefix: str) -> None:
    """Write the additions as a LoRA file; ``trained`` has them by ``prefix`` and the UNet's own names."""
    ends = {".down": ".lora_A.weight", ".up": ".lora_B.weight"}
    tensors = {}
    for name, value in trained.items():
        layer, dot, end = name.removeprefix(prefix).rpartition(".")
        tensors[f"unet.{layer}{ends[dot + end]}"] = value.half().contiguous()
    save_file(tensors, path)
