# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the networks are on held-out objects while they train: images coded and decoded, colors by prompt."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..schedule import ddpm_scheduler
from .captions import MATERIALS, OBJECTS, CaptionTable
from .color_kinds import COLORS, hsv_of
from .learning import DenoiserLearning
from .networks import TextGuidedDenoiser
from .paint import painted, random_paint
from .pool import LatentPool, ViewPool, hint, random_backgrounds
from .presets import TrainingPreset


@torch.no_grad()
def autoencoder_metrics(autoencoder: AutoencoderKL, held_out: ViewPool, seed: int) -> dict[str, float]:
    """Mean absolute error (of 1) of held-out images, and the share of their objects' pixels that keep their kind."""
    generator = torch.Generator(held_out.direction.device).manual_seed(seed)
    views, count = held_out.views, len(held_out)
    paint = random_paint(count, generator)
    images = painted(views, paint, random_backgrounds(count, generator))
    latents = autoencoder.encode(images * 2.0 - 1.0).latent_dist.mean
    decoded = (autoencoder.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)
    kept = color_shares(decoded, views.mask, paint.color)
    return {"error_held_out": float((decoded - images).abs().mean()), "color_kept": float(kept.mean())}


def color_shares(images: Tensor, mask: Tensor, color: Tensor) -> Tensor:
    """Share of each image's masked pixels that are of the color's kind, [N]; images [N, 3, S, S] in [0, 1]."""
    kinds = list(COLORS.values())
    return torch.stack([
        kinds[int(index)].holds(hsv_of(image))[shown].float().mean()
        for image, shown, index in zip(images, mask, color, strict=True)
    ])


@torch.no_grad()
def denoiser_metrics(
    model: TextGuidedDenoiser, autoencoder: AutoencoderKL, held_out: ViewPool, pool: LatentPool, captions: CaptionTable,
    preset: TrainingPreset,
) -> dict[str, float]:
    """The loss on held-out latents, and the share of pixels of the asked color in views that are painted singly."""
    device = held_out.direction.device
    settings = replace(preset.denoiser_stage, batch=len(pool))
    learning = DenoiserLearning(pool, captions, replace(preset, denoiser_stage=settings))
    losses = [float(learning(model, torch.Generator(device).manual_seed(seed))[0]) for seed in range(4)]
    color = torch.arange(len(held_out), device=device) % len(COLORS)
    shares = color_shares(sample(model, autoencoder, held_out, color, captions, preset), held_out.views.mask, color)
    return {
        "loss_held_out": sum(losses) / len(losses),
        "color_share": float(shares.mean()),
        "color_share_80": float((shares >= 0.8).float().mean()),
    }


@torch.no_grad()
def sample(
    model: TextGuidedDenoiser, autoencoder: AutoencoderKL, held_out: ViewPool, color: Tensor, captions: CaptionTable,
    preset: TrainingPreset,
) -> Tensor:
    """Images [N, 3, S, S] in [0, 1] of held-out views in the asked colors, each painted by itself."""
    device, count = color.device, len(held_out)
    scheduler = ddpm_scheduler(preset.prediction_type)
    scheduler.set_timesteps(preset.evaluation_steps)
    material = torch.arange(count, device=device) // len(COLORS) % len(MATERIALS)
    wish = captions.captions[color, material, held_out.views.family, 0, held_out.direction]
    tokens = torch.cat([captions.empty[0, held_out.direction], wish]).long()
    depth, controlled = hint(held_out.views).repeat(2, 1, 1, 1), torch.ones(2 * count, device=device)
    generator = torch.Generator(device).manual_seed(0)
    side = preset.image_size // 8
    latents = torch.randn(count, 4, side, side, generator=generator, device=device)
    for timestep in scheduler.timesteps.tolist():
        at = torch.full((2 * count,), timestep, device=device)
        none, wished = model(latents.repeat(2, 1, 1, 1), at, tokens, depth, controlled).chunk(2)
        guided = none + preset.evaluation_guidance * (wished - none)
        latents = scheduler.step(guided, timestep, latents, generator=generator).prev_sample
    return (autoencoder.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)


def prompts(count: int) -> list[tuple[str, str, str]]:
    """Color, material and object of ``count`` prompts: colors take turns, materials and objects with them."""
    families = itertools.cycle(OBJECTS[:-1])
    materials = itertools.cycle(MATERIALS)
    return [(color, next(materials), next(families)) for color, _ in zip(itertools.cycle(COLORS), range(count),
                                                                          strict=False)]
