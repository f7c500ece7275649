# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks and settings of their training, one preset per purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....training.schedule import StageSettings


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run's options do not say."""

    autoencoder: Mapping[str, Any]
    unet: Mapping[str, Any]
    hint_widths: tuple[int, ...]
    """Channels of the ControlNet's layers that look at the depth image; there are three halvings between four."""
    text_encoder: Mapping[str, int]
    autoencoder_stage: StageSettings
    denoiser_stage: StageSettings
    objects: int
    image_size: int
    paintings: int
    """Different colors and materials in which every view is painted for the denoiser."""
    wordings: int = 7
    """Of the captions."""
    prediction_type: str = "v_prediction"
    """v and not the noise: small networks miss an object's mean color when they predict noise."""
    kl_weight: float = 2e-4
    evaluation_objects: int = 48
    evaluation_steps: int = 12
    evaluation_guidance: float = 4.0


def _autoencoder(widths: tuple[int, ...], groups: int) -> dict[str, Any]:
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "layers_per_block": 1,
        "latent_channels": 4,
        "mid_block_add_attention": False,
        "norm_num_groups": groups,
        "scaling_factor": 1.0,
    }


def _unet(widths: tuple[int, int, int], groups: int, heads: int, text_width: int) -> dict[str, Any]:
    """Three resolutions; text is read at the middle one, and at the lowest in between down and up."""
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": groups,
        "attention_head_dim": heads,  # diffusers' name for the number of heads
        "cross_attention_dim": text_width,
    }


def _text_encoder(width: int, layers: int, heads: int) -> dict[str, int]:
    return {"hidden_size": width, "intermediate_size": 3 * width, "projection_dim": width,
            "num_hidden_layers": layers, "num_attention_heads": heads}


PRESETS: dict[str, TrainingPreset] = {
    # 4.5 M parameters in all: 9 MB in float16, small enough for git and for a CPU.
    "starter": TrainingPreset(
        autoencoder=_autoencoder((32, 48, 64, 64), 8),
        unet=_unet((48, 64, 80), 4, 4, 128),
        hint_widths=(8, 16, 32, 48),
        text_encoder=_text_encoder(128, 2, 4),
        autoencoder_stage=StageSettings(steps=2000, batch=48, rate=1e-3, warm_up=100, evaluate_every=1000),
        denoiser_stage=StageSettings(steps=3600, batch=256, rate=2e-3, warm_up=300, evaluate_every=1200),
        objects=8_000,
        image_size=192,
        paintings=6,
    ),
    "smoke": TrainingPreset(
        autoencoder=_autoencoder((8, 8, 8, 8), 4),
        unet=_unet((8, 8, 8), 4, 2, 16),
        hint_widths=(4, 4, 4, 4),
        text_encoder=_text_encoder(16, 1, 2),
        autoencoder_stage=StageSettings(steps=20, batch=2, rate=3e-3, warm_up=5, evaluate_every=20),
        denoiser_stage=StageSettings(steps=20, batch=4, rate=3e-3, warm_up=5, evaluate_every=20),
        objects=6,
        image_size=64,
        paintings=2,
        wordings=1,
        evaluation_objects=2,
        evaluation_steps=2,
    ),
}
