# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks, lengths of the stages and amounts of data, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....training.schedule import StageSettings


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run is configured by.

    Attributes:
        autoencoder: configuration of `AutoencoderKL`.
        unet: configuration of `PaintUNet`; the reference network has the same sizes.
        image_encoder: configuration of `Dinov2Model`.
        autoencoder_stage: how the autoencoder is trained; its batch counts images.
        denoiser_stage: how all other networks are trained, together; its batch counts objects.
        objects: training objects.
        paintings: how many times each object is painted.
        view_size: pixels a side of a view.
        kl_weight: of the latents' divergence from the normal distribution.
        evaluation_objects: held-out objects that the curves are measured on.
        evaluation_steps: sampler steps of these.
        evaluation_guidance: their guidance.
    """

    autoencoder: dict[str, Any]
    unet: dict[str, Any]
    image_encoder: dict[str, Any]
    autoencoder_stage: StageSettings
    denoiser_stage: StageSettings
    objects: int
    paintings: int
    view_size: int
    kl_weight: float = 2e-4
    evaluation_objects: int = 16
    evaluation_steps: int = 10
    evaluation_guidance: float = 2.0


def _autoencoder(widths: tuple[int, int, int, int], groups: int) -> dict[str, Any]:
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "latent_channels": 4,
        "mid_block_add_attention": False,
        "norm_num_groups": groups,
        "scaling_factor": 1.0,
    }


def _unet(widths: tuple[int, int, int], heads: tuple[int, int, int], prompt_width: int, groups: int) -> dict[str, Any]:
    """Three resolutions, attention at the two lower ones."""
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": heads,
        "cross_attention_dim": prompt_width,
        "norm_num_groups": groups,
        "prompt_tokens": 4,
    }


def _image_encoder(width: int, layers: int, heads: int) -> dict[str, Any]:
    """Of 49 patches: a small encoder has no use for more."""
    return {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "mlp_ratio": 2,
            "image_size": 224, "patch_size": 32}


PRESETS: dict[str, TrainingPreset] = {
    # 2.9 M parameters in all: under 6 MB in float16.
    "starter": TrainingPreset(
        autoencoder=_autoencoder((24, 32, 40, 40), 8),
        unet=_unet((24, 48, 48), (1, 3, 3), 48, 8),
        image_encoder=_image_encoder(48, 2, 3),
        autoencoder_stage=StageSettings(steps=2000, batch=64, rate=1e-3, warm_up=100, evaluate_every=1000),
        denoiser_stage=StageSettings(steps=3000, batch=32, rate=1.5e-3, warm_up=200, evaluate_every=1000),
        objects=3000,
        paintings=4,
        view_size=128,
    ),
    "smoke": TrainingPreset(
        autoencoder=_autoencoder((8, 8, 8, 8), 4),
        unet=_unet((16, 16, 16), (1, 1, 1), 16, 4),
        image_encoder=_image_encoder(16, 1, 2),
        autoencoder_stage=StageSettings(steps=20, batch=2, rate=3e-3, warm_up=5, evaluate_every=20),
        denoiser_stage=StageSettings(steps=20, batch=2, rate=3e-3, warm_up=5, evaluate_every=20),
        objects=4,
        paintings=1,
        view_size=64,
        evaluation_objects=2,
        evaluation_steps=2,
    ),
}
