# SPDX-License-Identifier: GPL-3.0-or-later
"""The small networks, in the published classes, as the modules that the two stages train."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from ...common.image_condition import image_tokens
from ..conditions import Conditions
from ..unet import PaintUNet, ReferenceUNet
from .presets import Preset


class Reconstruction(nn.Module):
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


class Denoiser(nn.Module):
    """Image encoder, reference network and painting network as one module."""

    def __init__(self, image_encoder: Dinov2Model, reference_unet: ReferenceUNet, unet: PaintUNet) -> None:
        super().__init__()
        self.image_encoder, self.reference_unet, self.unet = image_encoder, reference_unet, unet

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        images: Tensor,
        reference: Tensor,
        with_image: Tensor,
        voxels: Mapping[int, Tensor],
        views: int,
    ) -> Tensor:
        """Velocity `[B * P * N, 4, h, h]` for B objects.

        Args:
            sample: `[B * P * N, 12, h, h]`, see `PaintUNet`.
            timestep: `[B * P * N]`, the same for the rows of an object.
            images: for the encoder, `[B, 3, 224, 224]` in [0, 1].
            reference: their latents `[B, 4, h, h]`.
            with_image: bool `[B]`, which objects see their image; the others are painted without guidance.
            voxels: see `Conditions`.
            views: N.
        """
        tokens = image_tokens(self.image_encoder, images).all * with_image[:, None, None]
        features = self.reference_unet(reference)
        looking = with_image.nonzero()[:, 0]
        features = {name: tokens_of[looking] for name, tokens_of in features.items()}
        conditions = Conditions(views, tuple(with_image.float().tolist()), tokens, features, voxels)
        velocity: Tensor = self.unet(sample, timestep, conditions)
        return velocity


def new_autoencoder(preset: Preset) -> AutoencoderKL:
    """An untrained autoencoder, at first nearly without noise in the latent.

    Convolutions keep their input's deviation, and residual blocks add little at first. With torch's own start colors
    fade from layer to layer, and a small network takes many times the steps to find them.
    """
    autoencoder = AutoencoderKL(sample_size=preset.view_size, **preset.autoencoder)
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    for module in autoencoder.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.data *= 0.1
    deviations = slice(preset.autoencoder["latent_channels"], None)
    with torch.no_grad():
        autoencoder.quant_conv.weight[deviations] *= 0.1
        autoencoder.quant_conv.bias[deviations] = -7.0
    return autoencoder


@torch.no_grad()
def fold_normalization(autoencoder: AutoencoderKL, mean: Tensor, deviation: Tensor) -> None:
    """Change the 1 x 1 convolutions about the latent so that each of its channels has mean 0 and deviation 1.

    `mean` and `deviation` `[4]` are those of the unchanged latents; the scaling factor stays 1.
    """
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    channels = len(mean)
    before.weight[:channels] /= deviation[:, None, None, None]
    before.bias[:channels] = (before.bias[:channels] - mean) / deviation
    before.bias[channels:] -= 2.0 * deviation.log()
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= deviation[None, :, None, None]


def new_denoiser(preset: Preset) -> Denoiser:
    """Untrained networks; the image projector of the painting one fits the encoder."""
    encoder = Dinov2Model(Dinov2Config(**preset.image_encoder))
    sizes = {"sample_size": preset.view_size // 8, **preset.unet}
    unet = PaintUNet(**sizes, image_width=preset.image_encoder["hidden_size"])
    model = Denoiser(encoder, ReferenceUNet(**sizes), unet)
    _freeze_unused(model)
    return model


def _freeze_unused(model: Denoiser) -> None:
    """Leave out of the training what nothing depends on: the reference network after its last features, say."""
    side = 2 ** len(model.unet.config.block_out_channels)
    features = model.reference_unet(torch.zeros(1, 4, side, side))
    torch.stack([tokens.sum() for tokens in features.values()]).sum().backward()
    for parameter in model.reference_unet.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None
    model.image_encoder.embeddings.get_parameter("mask_token").requires_grad_(False)
