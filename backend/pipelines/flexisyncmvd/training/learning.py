# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two stages learn: their losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ....training.image_autoencoder import reconstruction_loss
from ..schedule import TRAIN_STEPS, ddpm_scheduler
from .captions import CaptionTable
from .color_kinds import COLORS
from .paint import painted, random_paint
from .pool import LatentPool, ViewPool, random_backgrounds
from .presets import TrainingPreset

NO_WISH = 0.1
"""Share of the captions that are replaced by a prompt without a wish, for guidance."""
UNNAMED = 0.15
"""Share of the captions that leave out the color, the material, or call the object an object; each by itself."""
NO_SIDE = 0.15
UNCONTROLLED = 0.1
"""Share of the images without the ControlNet."""
COMPOSITED = 0.5
"""Share of the images whose background is noised as the texturing loop noises it, and does not count.

See docs/algorithms/flexisyncmvd.md, section 6.
"""
BACKGROUND_WEIGHT = 0.3


class AutoencoderLearning:
    """Mean absolute error of the images and of their differences, and a little divergence from the normal one."""

    def __init__(self, pool: ViewPool, preset: TrainingPreset) -> None:
        self.pool, self.preset = pool, preset

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = self.preset.autoencoder_stage.batch, generator.device
        with torch.no_grad():
            chosen = torch.randint(len(self.pool), (count,), generator=generator, device=device)
            paint, background = random_paint(count, generator), random_backgrounds(count, generator)
            images = painted(self.pool.views[chosen], paint, background) * 2.0 - 1.0
            side = self.preset.image_size // 8
            noise = torch.randn(count, 4, side, side, generator=generator, device=device)
        decoded, divergence = module(images.contiguous(), noise)
        return reconstruction_loss(decoded, images, divergence, self.preset.kl_weight)


class DenoiserLearning:
    """Mean squared error of the prediction at uniform timesteps."""

    def __init__(self, pool: LatentPool, captions: CaptionTable, preset: TrainingPreset) -> None:
        self.pool, self.captions, self.preset = pool, captions, preset
        schedule = ddpm_scheduler(preset.prediction_type)
        self.alphas_cumprod = schedule.alphas_cumprod.to(pool.latent.device)

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        pool, count, device = self.pool, self.preset.denoiser_stage.batch, generator.device
        view = torch.randint(len(pool), (count,), generator=generator, device=device)
        painting = torch.randint(pool.latent.shape[1], (count,), generator=generator, device=device)
        timestep = torch.randint(TRAIN_STEPS, (count,), generator=generator, device=device)
        numbers = torch.rand(count, 2, generator=generator, device=device)
        data, mask = pool.latent[view, painting].float(), pool.mask[view][:, None].float()
        noise = torch.randn(data.shape, generator=generator, device=device)
        kept = self.alphas_cumprod[timestep][:, None, None, None]
        noisy = kept.sqrt() * data + (1.0 - kept).sqrt() * noise
        target = noise if self.preset.prediction_type == "epsilon" else kept.sqrt() * noise - (1.0 - kept).sqrt() * data
        composited = (numbers[:, 0] < COMPOSITED)[:, None, None, None]
        background = pool.background[torch.randint(len(pool.background), (count,), generator=generator, device=device)]
        background = (1.0 - kept) * noise + kept * background
        noisy = torch.where(composited, mask * noisy + (1.0 - mask) * background, noisy)
        depth = (pool.depth[view].float() / 255.0)[:, None].expand(-1, 3, -1, -1)
        controlled = (numbers[:, 1] >= UNCONTROLLED).float()
        output = module(noisy, timestep, self.tokens(view, painting, generator), depth, controlled)
        weight = mask + torch.where(composited, 0.0, BACKGROUND_WEIGHT) * (1.0 - mask)
        square = (output.float() - target).square()
        loss = (square * weight).sum() / (weight.sum() * data.shape[1])
        return loss, {"loss": loss}

    def tokens(self, view: Tensor, painting: Tensor, generator: torch.Generator) -> Tensor:
        """Token ids int64 [B, 77] of captions of these paintings, each in a random wording."""
        pool, device = self.pool, generator.device
        numbers = torch.rand(len(view), 6, generator=generator, device=device)
        left_out = numbers[:, :4] < torch.tensor([UNNAMED, UNNAMED, UNNAMED, NO_SIDE], device=device)
        captions, empty = self.captions.captions, self.captions.empty
        color = torch.where(left_out[:, 0], len(COLORS), pool.color[view, painting])
        material = torch.where(left_out[:, 1], captions.shape[1] - 1, pool.material[view, painting])
        thing = torch.where(left_out[:, 2], captions.shape[2] - 1, pool.family[view])
        side = torch.where(left_out[:, 3], 0, pool.direction[view])
        wording = (numbers[:, 4] * captions.shape[3]).long()
        wish = captions[color, material, thing, wording, side]
        any_side = torch.randint(empty.shape[1], (len(view),), generator=generator, device=device)
        none = empty[(numbers[:, 4] * len(empty)).long(), any_side]
        return torch.where(numbers[:, 5:] < NO_WISH, none, wish).long()
