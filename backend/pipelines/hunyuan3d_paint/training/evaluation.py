# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the networks are on held-out objects while they train."""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ...common.image_condition import image_tokens
from ..attention import MATERIALS
from ..conditions import Conditions
from ..sampling import Predictor, paint_scheduler, sample
from .learning import DenoiserLearning, encoder_images
from .materials import Materials, hue_of, lit_images, material_images
from .networks import Denoiser
from .pool import POSES, LatentPool, ViewPool, centered, encode, training_images
from .presets import TrainingPreset

HUE_TOLERANCE = 1 / 12
"""Of a turn of the color wheel: the next of its twelve colors is another one."""


@torch.no_grad()
def autoencoder_metrics(autoencoder: AutoencoderKL, held_out: ViewPool, seed: int) -> dict[str, float]:
    """Mean absolute error (of 1) of held-out images of every kind."""
    generator = torch.Generator(held_out.views.part.device).manual_seed(seed)
    images = training_images(held_out.views, generator)
    decoded = autoencoder.decode(encode(autoencoder, images).float()).sample / 2.0 + 0.5
    return {"error_held_out": float((decoded.clamp(0.0, 1.0) - images).abs().mean())}


@torch.no_grad()
def denoiser_metrics(
    model: Denoiser, autoencoder: AutoencoderKL, held_out: ViewPool, pool: LatentPool, preset: TrainingPreset
) -> dict[str, float]:
    """The loss on held-out latents, and how right the colors and materials of painted views are."""
    device = pool.latent.device
    learning = DenoiserLearning(pool, replace(preset, denoiser_stage=replace(preset.denoiser_stage, batch=len(pool))))
    losses = [float(learning(model, torch.Generator(device).manual_seed(seed))[0]) for seed in range(4)]
    generator = torch.Generator(device).manual_seed(0)
    materials = Materials.drawn(len(pool), generator)
    hue, metallic, roughness = zip(*(
        errors(paint(model, autoencoder, held_out, pool, index, materials, preset, generator),
               truth(held_out, index, materials), held_out.of(torch.tensor([index], device=device)).mask)
        for index in range(len(pool))
    ), strict=True)
    return {
        "loss_held_out": sum(losses) / len(losses), "hue_right": sum(hue) / len(hue),
        "metallic_error": sum(metallic) / len(metallic), "roughness_error": sum(roughness) / len(roughness),
    }


def truth(held_out: ViewPool, index: int, materials: Materials) -> tuple[Tensor, Tensor]:
    """Base color and metallic-roughness images of an object's views."""
    views = held_out.of(torch.tensor([index], device=materials.border.device))
    return material_images(views, materials[[index] * len(POSES)])


def paint(
    model: Denoiser, autoencoder: AutoencoderKL, held_out: ViewPool, pool: LatentPool, index: int,
    materials: Materials, preset: TrainingPreset, generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Images of an object's views `[N, 3, S, S]` in [0, 1] of both materials, as the pipeline samples them."""
    device = generator.device
    front = held_out.of(torch.tensor([index], device=device))[:1]
    lit = centered(lit_images(front, materials[[index]]), front.mask)
    tokens = image_tokens(model.image_encoder, encoder_images((lit * 255.0).round().byte())).all
    features = model.reference_unet(encode(autoencoder, lit).float())
    voxels = {count: indices[index][None].int() for count, indices in pool.voxels.items()}
    image = torch.cat([torch.zeros_like(tokens), tokens])
    conditions = Conditions(len(POSES), (0.0, 1.0), image, features, voxels)
    controls = pool.controls[index].float()
    noise = torch.randn(pool.latent.shape[2:], generator=generator, device=device)
    predictor = Predictor(model.unet, controls, [conditions], preset.evaluation_guidance)
    latents = sample(predictor, paint_scheduler(), noise, preset.evaluation_steps)
    images = (autoencoder.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)
    color, mr = images.chunk(len(MATERIALS))
    return color, mr


def errors(painted: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], mask: Tensor) -> tuple[float, float, float]:
    """Share of places whose hue is right, mean absolute errors of metallic and roughness.

    Both are pairs of images `[N, 3, S, S]` in [0, 1], base color and metallic-roughness; `mask` bool `[N, S, S]`.
    """
    (color, mr), (true_color, true_mr) = (
        [image.permute(0, 2, 3, 1)[mask] for image in pair] for pair in (painted, right)
    )
    hue, true_hue = hue_of(color)[0], hue_of(true_color)[0]
    difference = (hue - true_hue).abs()
    fitting = torch.minimum(difference, 1.0 - difference) <= HUE_TOLERANCE
    error = (mr - true_mr).abs().mean(dim=0)
    return float(fitting.float().mean()), float(error[0]), float(error[1])
