# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks and the numbers of their training, one preset per purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ....training.schedule import StageSettings


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run's options do not say.

    Attributes:
        decoder: options of `TriplaneDecoder`, whose field is for density.
        transformer: options that the transformers share.
        text_depth: blocks of the transformer for prompts.
        image_depth: blocks of the transformer for images.
        text_encoder: options of CLIP's text tower.
        image_encoder: options of DINOv2, which sees 224 pixels.
        image_size: pixels that images are rendered at, before they are scaled to what the encoder sees.
        grid: cells along a side of the grid that the autoencoder's encoder sees.
        points: of the field for each object and step.
        truncation: distance at which the field's target ends, in half sides of the cube.
        views: images of each object.
        prompts: captions of each object.
    """

    decoder: dict[str, Any]
    transformer: dict[str, Any]
    text_depth: int
    image_depth: int
    text_encoder: dict[str, Any]
    image_encoder: dict[str, Any]
    autoencoder_stage: StageSettings
    text_stage: StageSettings
    image_stage: StageSettings
    objects: int
    encoder_width: int = 96
    grid: int = 32
    points: int = 2048
    truncation: float = 0.1
    image_size: int = 112
    views: int = 2
    prompts: int = 8
    usage_weight: float = 0.02
    """Weight of the entropy that keeps all codes in use."""
    evaluation_objects: int = 72
    evaluation_grid: int = 48
    evaluation_guidance: float = 2.0
    sides: tuple[int, ...] = field(default=(1, 2, 4, 6, 8))


def _clip(width: int, layers: int, heads: int, length: int) -> dict[str, Any]:
    return {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers,
            "num_attention_heads": heads, "max_position_embeddings": length, "hidden_act": "quick_gelu"}


def _dino(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "image_size": 224,
            "patch_size": 28, "mlp_ratio": 3, "layerscale_value": 1.0}


PRESETS: dict[str, TrainingPreset] = {
    # 2.9 M parameters in all: 5.9 MB in float16.
    "starter": TrainingPreset(
        decoder={"width": 96, "depth": 3, "heads": 4, "plane_width": 32, "plane_multipliers": (1, 1, 1),
                 "plane_channels": 16, "field_width": 32, "vocabulary": 512},
        transformer={"width": 96, "heads": 4, "vocabulary": 512},
        text_depth=3,
        image_depth=4,
        text_encoder=_clip(64, 2, 4, 16),
        image_encoder=_dino(80, 4, 4),
        autoencoder_stage=StageSettings(steps=4000, batch=64, rate=1.5e-3, evaluate_every=1000),
        text_stage=StageSettings(steps=3000, batch=192, rate=2e-3, evaluate_every=1500),
        image_stage=StageSettings(steps=5000, batch=192, rate=2e-3, evaluate_every=2500),
        objects=30_000,
    ),
    "smoke": TrainingPreset(
        decoder={"width": 32, "depth": 1, "heads": 2, "plane_width": 32, "plane_multipliers": (1, 1),
                 "plane_channels": 8, "field_width": 16, "vocabulary": 32},
        transformer={"width": 32, "heads": 2, "vocabulary": 32},
        text_depth=1,
        image_depth=1,
        text_encoder=_clip(16, 1, 2, 16),
        image_encoder=_dino(16, 1, 2) | {"patch_size": 56},
        autoencoder_stage=StageSettings(steps=40, batch=2, rate=3e-3, warm_up=5, evaluate_every=40),
        text_stage=StageSettings(steps=40, batch=4, rate=3e-3, warm_up=5, evaluate_every=40),
        image_stage=StageSettings(steps=40, batch=4, rate=3e-3, warm_up=5, evaluate_every=40),
        objects=8,
        encoder_width=32,
        grid=8,
        points=128,
        image_size=28,
        views=1,
        prompts=2,
        evaluation_objects=18,
        evaluation_grid=8,
        sides=(1, 2, 3, 4),
    ),
}
