# SPDX-License-Identifier: GPL-3.0-or-later
"""The small networks, in the published classes, as the modules that the two stages train."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from ....training.image_autoencoder import new_image_autoencoder
from ...common.image_condition import image_tokens
from ..conditions import Conditions
from ..unet import PaintUNet, ReferenceUNet
from .presets import TrainingPreset


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


def new_autoencoder(preset: TrainingPreset) -> AutoencoderKL:
    """An untrained autoencoder."""
    return new_image_autoencoder(preset.autoencoder, preset.view_size)


def new_denoiser(preset: TrainingPreset) -> Denoiser:
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
