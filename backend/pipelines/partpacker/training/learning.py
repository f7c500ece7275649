# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two stages learn: their modules and their losses (docs/algorithms/partpacker.md, section 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from ....procedural.primitives import ObjectBatch
from ....training.field_points import field_loss, field_points
from ..autoencoder import PartPackerAutoencoder
from ..denoiser import PartPackerDenoiser
from ..image_condition import condition_tokens
from .pool import encoder_input, field_target
from .presets import TrainingPreset

TIME_SHIFT = 3.0
DROPPED = 0.1
"""Share of the training images whose condition is zeroed, for guidance."""


class ConditionedDenoiser(nn.Module):
    """Image encoder and denoiser as one module, so that both train together under any parallel wrapper."""

    def __init__(self, image_encoder: Dinov2Model, denoiser: PartPackerDenoiser) -> None:
        super().__init__()
        self.image_encoder, self.denoiser = image_encoder, denoiser

    def forward(self, latent: Tensor, time: Tensor, image: Tensor, kept: Tensor) -> Tensor:
        """Velocity [B, L, C] of noisy latents at ``time`` [B] in [0, 1]; images [B, 3, H, W] in [0, 1], kept [B]."""
        condition = condition_tokens(self.image_encoder, image) * kept[:, None, None]
        return self.denoiser(latent, 1000.0 * time, condition)


def new_autoencoder(preset: TrainingPreset) -> PartPackerAutoencoder:
    """Return an untrained autoencoder."""
    autoencoder = PartPackerAutoencoder(**preset.autoencoder)
    nn.init.constant_(autoencoder.proj_down_std.bias, -4.0)  # starts nearly without noise in the latent
    if preset.gradient_checkpointing:
        autoencoder.enable_gradient_checkpointing()
    return autoencoder


def new_conditioned_denoiser(preset: TrainingPreset, image_encoder: str | None = None) -> ConditionedDenoiser:
    """Return an untrained denoiser with an untrained image encoder, or with a given, frozen one."""
    denoiser = PartPackerDenoiser(**preset.denoiser)
    if image_encoder is None:
        encoder = Dinov2Model(Dinov2Config(**preset.image_encoder))
        encoder.embeddings.mask_token.requires_grad_(False)  # these two have no part in the condition
        encoder.layernorm.requires_grad_(False)
        if preset.gradient_checkpointing:
            encoder.gradient_checkpointing_enable()  # the name that every transformers 5 knows
    else:
        encoder = Dinov2Model.from_pretrained(image_encoder).eval().requires_grad_(False)
    if preset.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    return ConditionedDenoiser(encoder, denoiser)


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
            volumes = self.objects[chosen].both_volumes()
            surface = encoder_input(volumes, preset, generator)
            points = field_points(surface.points, preset.field_points, generator)
            target = field_target(volumes, points, preset.truncation)
        field, posterior = module(*surface.arguments(), points, generator)
        return field_loss(field, target, posterior.kl().mean(), preset.kl_weight)


class DenoiserLearning:
    """Mean squared error of the velocity at logit-normal times."""

    def __init__(self, latents: Tensor, images: Tensor, preset: TrainingPreset) -> None:
        self.latents, self.images, self.preset = latents, images, preset

    def times(self, count: int, generator: torch.Generator) -> Tensor:
        """Return times [count] in (0, 1): logit-normal, then shifted toward the noise."""
        logit = torch.randn(count, generator=generator, device=self.latents.device) + self.preset.time_mean
        time = logit.sigmoid()
        return TIME_SHIFT * time / (1.0 + (TIME_SHIFT - 1.0) * time)

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = self.preset.denoiser_stage.batch, self.latents.device
        chosen = torch.randint(len(self.latents), (count,), generator=generator, device=device)
        view = torch.randint(self.images.shape[1], (count,), generator=generator, device=device)
        data = self.latents[chosen].float()
        image = self.images[chosen, view].float() / 255.0
        noise = torch.randn(data.shape, generator=generator, device=device)
        time = self.times(count, generator)
        kept = (torch.rand(count, generator=generator, device=device) >= DROPPED).float()
        noisy = torch.lerp(data, noise, time[:, None, None])
        loss = (module(noisy, time, image, kept).float() - (noise - data)).square().mean()
        return loss, {"loss_velocity": loss}
