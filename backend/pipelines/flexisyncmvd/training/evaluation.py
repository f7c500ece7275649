# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the networks are on held-out objects while they train: pictures coded and decoded, colours by prompt."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..schedule import ddpm_scheduler
from .captions import MATERIALS, OBJECTS, CaptionTable
from .colour_kinds import COLOURS, hsv_of
from .learning import DenoiserLearning
from .networks import TextGuidedDenoiser
from .paint import painted, random_paint
from .pool import LatentPool, ViewPool, hint, random_backgrounds
from .presets import Preset


@torch.no_grad()
def autoencoder_figures(autoencoder: AutoencoderKL, held_out: ViewPool, seed: int) -> dict[str, float]:
    """Mean absolute error (of 1) of held-out pictures, and the share of their objects' pixels that keep their kind."""
    generator = torch.Generator(held_out.direction.device).manual_seed(seed)
    views, count = held_out.views, len(held_out)
    paint = random_paint(count, generator)
    pictures = painted(views, paint, random_backgrounds(count, generator))
    latents = autoencoder.encode(pictures * 2.0 - 1.0).latent_dist.mean
    decoded = (autoencoder.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)
    kept = colour_shares(decoded, views.mask, paint.colour)
    return {"error_held_out": float((decoded - pictures).abs().mean()), "colour_kept": float(kept.mean())}


def colour_shares(pictures: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    """Share of each picture's masked pixels that are of the colour's kind, [N]; pictures [N, 3, S, S] in [0, 1]."""
    kinds = list(COLOURS.values())
    return torch.stack([
        kinds[int(index)].holds(hsv_of(picture))[shown].float().mean()
        for picture, shown, index in zip(pictures, mask, colour, strict=True)
    ])


@torch.no_grad()
def denoiser_figures(
    model: TextGuidedDenoiser, autoencoder: AutoencoderKL, held_out: ViewPool, pool: LatentPool, captions: CaptionTable,
    preset: Preset,
) -> dict[str, float]:
    """The loss on held-out latents, and the share of pixels of the asked colour in views that are painted singly."""
    device = held_out.direction.device
    figures = replace(preset.denoiser_stage, batch=len(pool))
    learning = DenoiserLearning(pool, captions, replace(preset, denoiser_stage=figures))
    losses = [float(learning(model, torch.Generator(device).manual_seed(seed))[0]) for seed in range(4)]
    colour = torch.arange(len(held_out), device=device) % len(COLOURS)
    shares = colour_shares(sample(model, autoencoder, held_out, colour, captions, preset), held_out.views.mask, colour)
    return {
        "loss_held_out": sum(losses) / len(losses),
        "colour_share": float(shares.mean()),
        "colour_share_80": float((shares >= 0.8).float().mean()),
    }


@torch.no_grad()
def sample(
    model: TextGuidedDenoiser, autoencoder: AutoencoderKL, held_out: ViewPool, colour: Tensor, captions: CaptionTable,
    preset: Preset,
) -> Tensor:
    """Pictures [N, 3, S, S] in [0, 1] of held-out views in the asked colours, each painted by itself."""
    device, count = colour.device, len(held_out)
    scheduler = ddpm_scheduler(preset.prediction_type)
    scheduler.set_timesteps(preset.evaluation_steps)
    material = torch.arange(count, device=device) // len(COLOURS) % len(MATERIALS)
    wish = captions.captions[colour, material, held_out.views.family, 0, held_out.direction]
    tokens = torch.cat([captions.empty[0, held_out.direction], wish]).long()
    depth, controlled = hint(held_out.views).repeat(2, 1, 1, 1), torch.ones(2 * count, device=device)
    generator = torch.Generator(device).manual_seed(0)
    side = preset.picture_size // 8
    latents = torch.randn(count, 4, side, side, generator=generator, device=device)
    for timestep in scheduler.timesteps.tolist():
        at = torch.full((2 * count,), timestep, device=device)
        none, wished = model(latents.repeat(2, 1, 1, 1), at, tokens, depth, controlled).chunk(2)
        guided = none + preset.evaluation_guidance * (wished - none)
        latents = scheduler.step(guided, timestep, latents, generator=generator).prev_sample
    return (autoencoder.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)


def prompts(count: int) -> list[tuple[str, str, str]]:
    """Colour, material and object of ``count`` prompts: colours take turns, materials and objects with them."""
    families = itertools.cycle(OBJECTS[:-1])
    materials = itertools.cycle(MATERIALS)
    return [(colour, next(materials), next(families)) for colour, _ in zip(itertools.cycle(COLOURS), range(count),
                                                                          strict=False)]
