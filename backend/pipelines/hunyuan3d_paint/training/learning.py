# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two stages learn: their losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ....training.image_autoencoder import reconstruction_loss
from ...common.image_condition import middle
from ..attention import MATERIALS
from ..reference_image import ENCODER_SIZE
from ..sampling import paint_scheduler
from .pool import POSES, LatentPool, ViewPool, training_images
from .presets import TrainingPreset

WITHOUT_IMAGE = 0.1
"""Share of the objects that are painted without their image, for guidance."""
BACKGROUND_WEIGHT = 0.2
TRAIN_STEPS = 1000


class AutoencoderLearning:
    """Mean absolute error of the images and of their differences, and a little divergence from the normal one."""

    def __init__(self, pool: ViewPool, preset: TrainingPreset) -> None:
        self.pool, self.preset = pool, preset

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = self.preset.autoencoder_stage.batch, generator.device
        with torch.no_grad():
            chosen = torch.randint(len(self.pool.views), (count,), generator=generator, device=device)
            images = training_images(self.pool.views[chosen], generator) * 2.0 - 1.0
            side = self.preset.view_size // 8
            noise = torch.randn(count, 4, side, side, generator=generator, device=device)
        decoded, divergence = module(images.contiguous(), noise)
        return reconstruction_loss(decoded, images, divergence, self.preset.kl_weight)


class DenoiserLearning:
    """Mean squared error of the velocity at uniform timesteps, one for all rows of an object."""

    def __init__(self, pool: LatentPool, preset: TrainingPreset) -> None:
        self.pool, self.preset = pool, preset
        self.alphas_cumprod = paint_scheduler().alphas_cumprod.to(pool.latent.device)

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        pool, count, device = self.pool, self.preset.denoiser_stage.batch, generator.device
        chosen = torch.randint(len(pool), (count,), generator=generator, device=device)
        painting = torch.randint(pool.latent.shape[1], (count,), generator=generator, device=device)
        timestep = torch.randint(TRAIN_STEPS, (count,), generator=generator, device=device)
        with_image = torch.rand(count, generator=generator, device=device) >= WITHOUT_IMAGE
        data = pool.latent[chosen, painting].float()
        noise = torch.randn(data.shape, generator=generator, device=device)
        kept = self.alphas_cumprod[timestep].view(-1, 1, 1, 1, 1)
        noisy = kept.sqrt() * data + (1.0 - kept).sqrt() * noise
        velocity = kept.sqrt() * noise - (1.0 - kept).sqrt() * data
        controls = pool.controls[chosen].float().repeat(1, len(MATERIALS), 1, 1, 1)
        sample = torch.cat([noisy, controls], dim=2).flatten(0, 1)
        rows = timestep.repeat_interleave(data.shape[1])
        voxels = {tokens: indices[chosen].int() for tokens, indices in pool.voxels.items()}
        output = module(sample, rows, encoder_images(pool.pixels[chosen, painting]),
                        pool.reference[chosen, painting].float(), with_image, voxels, len(POSES))
        mask = pool.mask[chosen].float().repeat(1, len(MATERIALS), 1, 1)
        weight = (mask + BACKGROUND_WEIGHT * (1.0 - mask))[:, :, None]
        square = (output.float().view_as(data) - velocity).square()
        loss = (square * weight).sum() / (weight.sum() * data.shape[2])
        return loss, {"loss": loss}


def encoder_images(pixels: Tensor) -> Tensor:
    """Fronts uint8 `[B, 3, S, S]` for the image encoder, in [0, 1], about as the pipeline cuts them."""
    edge = ENCODER_SIZE * 256 // 224
    scaled = interpolate(pixels.float() / 255.0, (edge, edge), mode="bicubic", align_corners=False).clamp(0.0, 1.0)
    return middle(scaled, ENCODER_SIZE)
