# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks and settings of their training, one preset per purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....training.schedule import StageSettings


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run's options do not say. Sizes of point sets are per volume."""

    autoencoder: dict[str, int]
    denoiser: dict[str, int]
    image_encoder: dict[str, Any]
    autoencoder_stage: StageSettings
    denoiser_stage: StageSettings
    tokens: tuple[int, int]
    """Tokens that start from uniform and from salient points."""
    surface_points: int
    salient_points: int
    field_points: int
    image_size: int
    objects: int
    views: int = 1
    truncation: float = 0.1
    """Distance at which the field reaches -1 or 1."""
    kl_weight: float = 1e-3
    time_mean: float = 1.0
    """Mean of the logit of the time before the shift; its deviation is 1."""
    evaluation_objects: int = 32
    evaluation_guidance: float = 2.0
    evaluation_grid: int = 64
    """Cells along each side of the grid on which volumes are compared."""
    gradient_checkpointing: bool = False
    token_pool: int = 1024
    """Points of each kind that farthest-point sampling picks the tokens' starting points from."""

    @property
    def tokens_per_volume(self) -> int:
        return sum(self.tokens)


def _image_encoder(width: int, layers: int, heads: int, image_size: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": 14,
        "use_swiglu_ffn": True,
        "layerscale_value": 1.0,
    }


def _latent(width: int, denoiser: dict[str, int], image_width: int) -> dict[str, int]:
    return {**denoiser, "latent_width": width, "condition_width": image_width}


PRESETS: dict[str, TrainingPreset] = {
    # 3.9 M parameters in all: 7.8 MB in float16, small enough for git and for a CPU.
    "starter": TrainingPreset(
        autoencoder={"width": 96, "heads": 3, "decoder_layers": 4, "latent_width": 16},
        denoiser=_latent(16, {"width": 128, "layers": 6, "heads": 4}, 128),
        image_encoder=_image_encoder(128, 4, 4, 112),
        autoencoder_stage=StageSettings(steps=9000, batch=128, rate=1e-3),
        denoiser_stage=StageSettings(steps=20000, batch=512, rate=1e-3, warm_up=500, evaluate_every=2500),
        tokens=(32, 32),
        surface_points=2048,
        salient_points=1024,
        field_points=2048,
        image_size=112,
        objects=60000,
        views=2,
        time_mean=0.0,
    ),
    "published": TrainingPreset(
        autoencoder={"width": 1024, "heads": 16, "decoder_layers": 24, "latent_width": 64},
        denoiser=_latent(64, {"width": 1536, "layers": 24, "heads": 16}, 1536),
        image_encoder=_image_encoder(1536, 40, 24, 518),
        autoencoder_stage=StageSettings(steps=200_000, batch=8, rate=1e-4, warm_up=2000, evaluate_every=5000),
        denoiser_stage=StageSettings(steps=400_000, batch=8, rate=1e-4, warm_up=2000, evaluate_every=10_000),
        tokens=(1024, 1024),
        surface_points=32_768,
        salient_points=16_384,
        field_points=8192,
        image_size=518,
        objects=20_000,
        truncation=0.05,
        evaluation_objects=8,
        evaluation_guidance=7.0,
        gradient_checkpointing=True,
        token_pool=16_384,
    ),
    "smoke": TrainingPreset(
        autoencoder={"width": 32, "heads": 2, "decoder_layers": 1, "latent_width": 8},
        denoiser=_latent(8, {"width": 32, "layers": 2, "heads": 2}, 32),
        image_encoder=_image_encoder(32, 1, 2, 56),
        autoencoder_stage=StageSettings(steps=40, batch=2, rate=3e-3, warm_up=5, evaluate_every=40),
        denoiser_stage=StageSettings(steps=40, batch=4, rate=3e-3, warm_up=5, evaluate_every=40),
        tokens=(8, 8),
        surface_points=256,
        salient_points=128,
        field_points=256,
        image_size=56,
        objects=8,
        truncation=0.15,
        evaluation_objects=1,
        evaluation_grid=16,
        token_pool=128,
    ),
}
