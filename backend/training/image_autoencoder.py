# SPDX-License-Identifier: GPL-3.0-or-later
"""Small autoencoders of images in Stable Diffusion's class: their start, their training, their latents' scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn


class ImageReconstruction(nn.Module):
    """The autoencoder from image to image, so that it trains under any parallel wrapper."""

    def __init__(self, autoencoder: AutoencoderKL) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Images `[B, 3, H, W]` in [-1, 1] decoded again, and the latents' mean divergence from the normal one."""
        posterior = self.autoencoder.encode(images).latent_dist
        mean, log_variance = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        return self.autoencoder.decode(mean + (0.5 * log_variance).exp() * noise).sample, divergence


def new_image_autoencoder(configuration: Mapping[str, Any], size: int) -> AutoencoderKL:
    """An untrained autoencoder of images of `size` pixels a side, at first nearly without noise in the latent.

    Convolutions keep their input's deviation, and residual blocks add little at first. With torch's own start colors
    fade from layer to layer, and a small network takes many times the steps to find them.
    """
    autoencoder = AutoencoderKL(sample_size=size, **configuration)
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    for module in autoencoder.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.data *= 0.1
    deviations = slice(configuration["latent_channels"], None)
    with torch.no_grad():
        autoencoder.quant_conv.weight[deviations] *= 0.1
        autoencoder.quant_conv.bias[deviations] = -7.0
    return autoencoder


@torch.no_grad()
def fold_normalization(autoencoder: AutoencoderKL, mean: Tensor, deviation: Tensor) -> None:
    """Change the 1 x 1 convolutions about the latent so that each of its channels has mean 0 and deviation 1.

    `mean` and `deviation` `[channels]` are those of the unchanged latents; the scaling factor stays 1.
    """
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    channels = len(mean)
    before.weight[:channels] /= deviation[:, None, None, None]
    before.bias[:channels] = (before.bias[:channels] - mean) / deviation
    before.bias[channels:] -= 2.0 * deviation.log()
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= deviation[None, :, None, None]


def reconstruction_loss(
    decoded: Tensor, images: Tensor, divergence: Tensor, divergence_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its terms: mean absolute error of the images and of their differences, and a little divergence."""
    error = decoded.float() - images
    absolute = error.abs().mean()
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    terms = {"loss_absolute": absolute, "loss_edges": edges, "divergence": divergence}
    return absolute + 0.5 * edges + divergence_weight * divergence, terms
