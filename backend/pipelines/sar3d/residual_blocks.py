# SPDX-License-Identifier: GPL-3.0-or-later
"""The convolutional residual block of encoder and decoder. Attributes carry the published tensor names."""

from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32
EPSILON = 1e-6


def group_norm(width: int) -> nn.GroupNorm:
    """The norm of all convolutional parts."""
    return nn.GroupNorm(GROUPS, width, EPSILON)


class ResidualBlock(nn.Module):
    """`[B, C, H, W] -> [B, width, H, W]`: twice norm, SiLU and a 3x3 convolution, added to the input."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.norm2 = group_norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        if channels != width:
            self.nin_shortcut = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv1(functional.silu(self.norm1(x)))
        change = self.conv2(functional.silu(self.norm2(change)))
        return change + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)
