# SPDX-License-Identifier: GPL-3.0-or-later
"""RRDBNet, the network of ESRGAN and Real-ESRGAN (Wang et al., 2018 and 2021), for images four times as large.

Parameters have the published names. RealESRGAN_x4plus has 64 features, 23 blocks and a growth of 32.
"""

import torch
from diffusers import ConfigMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from .finiteness import finite

SLOPE = 0.2
RESIDUAL = 0.2
"""How much of a block's output is added to its input."""


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions, each of all that came before."""

    conv1: nn.Conv2d
    conv2: nn.Conv2d
    conv3: nn.Conv2d
    conv4: nn.Conv2d

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for index in range(4):
            self.add_module(f"conv{index + 1}", _convolution(features + index * growth, growth))
        self.conv5 = _convolution(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[B, C, H, W]` to the same shape."""
        found = x
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            found = torch.cat([found, leaky_relu(convolution(found), SLOPE)], dim=1)
        added: Tensor = self.conv5(found)
        return torch.add(x, added, alpha=RESIDUAL)


class DenseResidualBlock(nn.Module):
    """Three dense blocks in a row."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Features `[B, C, H, W]` to the same shape."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL)


class RRDBNet(ModelMixin, ConfigMixin):
    """Images `[B, C, H, W]` in [0, 1], channels in the order of training, to `[B, C, 4 H, 4 W]`, not clamped."""

    @register_to_config
    def __init__(self, channels: int = 3, features: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = _convolution(channels, features)
        self.body = nn.Sequential(*(DenseResidualBlock(features, growth) for _ in range(blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            _convolution(features, features) for _ in range(4)
        )
        self.conv_last = _convolution(features, channels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        first = self.conv_first(images)
        found = first + self.conv_body(self.body(first))
        for convolution in (self.conv_up1, self.conv_up2):
            found = leaky_relu(convolution(interpolate(found, scale_factor=2, mode="nearest")), SLOPE)
        enlarged: Tensor = self.conv_last(leaky_relu(self.conv_hr(found), SLOPE))
        return enlarged


def enlarge(network: RRDBNet, images: Tensor) -> Tensor:
    """RGB images uint8 `[B, H, W, 3]` four times as large, uint8. The published weights were trained on BGR.

    Raises NotFiniteError.
    """
    bgr = images.flip(-1).permute(0, 3, 1, 2).to(network.dtype) / 255.0
    enlarged = finite(network(bgr).float(), "An enlarged view", "image", "Try again").clamp(0.0, 1.0)
    return (enlarged * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).flip(-1)
