# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two stages learn: their modules and their losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from ....procedural.primitives import ObjectBatch
from ....training.field_points import field_loss, field_points
from ..autoencoder import ShapeAutoencoder
from ..image_condition import condition_tokens
from ..mixture_denoiser import MixtureDenoiser
from ..pipeline import HALF_SIDE
from ..two_stream_denoiser import DoubleBlock, SingleBlock, TwoStreamDenoiser
from .pool import encoder_input, field_target, normalized_images
from .presets import TrainingPreset

DROPPED = 0.1
"""Share of the training images whose condition is zeroed, for guidance."""


class ConditionedDenoiser(nn.Module):
    """Image encoder and denoiser as one module, so that both train together under any parallel wrapper."""

    def __init__(self, image_encoder: Dinov2Model, denoiser: MixtureDenoiser | TwoStreamDenoiser, size: int) -> None:
        super().__init__()
        self.image_encoder, self.denoiser, self.size = image_encoder, denoiser, size

    def condition(self, images: Tensor, views: Tensor | None) -> Tensor:
        """Condition [B, T, W] of images in [-1, 1], [B, V, 3, H, W] of numbered views [V], or of one nameless view."""
        return condition_tokens(self.image_encoder, images if views is not None else images[:, 0], self.size, views)

    def forward(self, latent: Tensor, time: Tensor, images: Tensor, views: Tensor | None, kept: Tensor) -> Tensor:
        """Velocity [B, N, C] of noisy latents at ``time`` [B] in [0, 1]; of a kept [B] of 0 the condition is zero."""
        return self.denoiser(latent, time, self.condition(images, views) * kept[:, None, None])


def new_autoencoder(preset: TrainingPreset) -> ShapeAutoencoder:
    """Return an untrained autoencoder."""
    autoencoder = ShapeAutoencoder(**preset.autoencoder)
    channels = autoencoder.config.latent_width
    with torch.no_grad():
        autoencoder.pre_kl.bias[channels:].fill_(-4.0)  # starts nearly without noise in the latent
    if preset.gradient_checkpointing:
        autoencoder.enable_gradient_checkpointing()
    return autoencoder


def new_denoiser(preset: TrainingPreset) -> MixtureDenoiser | TwoStreamDenoiser:
    """Return an untrained denoiser of zero velocity, whose modulated blocks begin as the identity."""
    if preset.denoiser_kind == "mixture":
        denoiser: MixtureDenoiser | TwoStreamDenoiser = MixtureDenoiser(**preset.denoiser)
        zeroed: list[nn.Module] = [denoiser.final_layer.linear]
    else:
        denoiser = TwoStreamDenoiser(**preset.denoiser)
        zeroed = [denoiser.final_layer]
        for block in denoiser.modules():
            if isinstance(block, DoubleBlock):
                zeroed += [block.img_mod.lin, block.txt_mod.lin]
            elif isinstance(block, SingleBlock):
                zeroed.append(block.modulation.lin)
    for parameter in (parameter for layer in zeroed for parameter in layer.parameters()):
        nn.init.zeros_(parameter)
    if preset.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    return denoiser


def new_conditioned_denoiser(preset: TrainingPreset, image_encoder: str | None = None) -> ConditionedDenoiser:
    """Return an untrained denoiser with an untrained image encoder, or with a given, frozen one."""
    denoiser = new_denoiser(preset)
    if image_encoder is None:
        encoder = Dinov2Model(Dinov2Config(**preset.image_encoder))
        encoder.embeddings.mask_token.requires_grad_(False)  # has no part in the condition
        if preset.gradient_checkpointing:
            encoder.gradient_checkpointing_enable()
    else:
        encoder = Dinov2Model.from_pretrained(image_encoder).eval().requires_grad_(False)
    return ConditionedDenoiser(encoder, denoiser, preset.encoder_size)


class AutoencoderLearning:
    """Mean squared plus mean absolute error of the field, and a little divergence from the normal distribution."""

    def __init__(self, objects: ObjectBatch, preset: TrainingPreset) -> None:
        self.objects, self.preset = objects, preset

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        preset, device = self.preset, self.objects.center.device
        with torch.no_grad():
            chosen = torch.randint(
                len(self.objects), (preset.autoencoder_stage.batch,), generator=generator, device=device
            )
            objects = self.objects[chosen]
            surface = encoder_input(objects, preset, generator)
            points = field_points(surface.points, preset.field_points, generator, HALF_SIDE)
            target = field_target(objects, points, preset.truncation)
        field, posterior = module(*surface.arguments(), points, generator)
        return field_loss(field, target, posterior.kl().mean(), preset.kl_weight)


class DenoiserLearning:
    """Mean squared error of the velocity at logit-normal times; time runs from noise to data."""

    def __init__(self, latents: Tensor, images: Tensor, preset: TrainingPreset) -> None:
        self.latents, self.images, self.preset = latents, images, preset

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = self.preset.denoiser_stage.batch, self.latents.device
        chosen = torch.randint(len(self.latents), (count,), generator=generator, device=device)
        views = self.views(generator)
        images = normalized_images(self.images[chosen][:, views])
        data = self.latents[chosen].float()
        noise = torch.randn(data.shape, generator=generator, device=device)
        logit = torch.randn(count, generator=generator, device=device) + self.preset.time_mean
        time = logit.sigmoid()
        kept = (torch.rand(count, generator=generator, device=device) >= DROPPED).float()
        noisy = torch.lerp(noise, data, time[:, None, None])
        numbers = views if self.preset.named_views else None
        loss = (module(noisy, time, images, numbers, kept).float() - (data - noise)).square().mean()
        return loss, {"loss_velocity": loss}

    def views(self, generator: torch.Generator) -> Tensor:
        """The numbers of this step's views, ascending: the front and as many others as it was drawn."""
        device = self.latents.device
        drawn = torch.randint(len(self.preset.view_counts), (1,), generator=generator, device=device)
        others = torch.randperm(self.images.shape[1] - 1, generator=generator, device=device) + 1
        count = self.preset.view_counts[int(drawn)]
        return torch.cat([others.new_zeros(1), others[: count - 1]]).sort().values
