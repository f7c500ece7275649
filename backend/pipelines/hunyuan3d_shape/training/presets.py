# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks and the numbers of their training, one preset per purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ....training.schedule import StageSettings

DenoiserKind = Literal["mixture", "two_stream"]


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run's options do not say."""

    autoencoder: dict[str, Any]
    denoiser_kind: DenoiserKind
    denoiser: dict[str, Any]
    image_encoder: dict[str, Any]
    autoencoder_stage: StageSettings
    denoiser_stage: StageSettings
    tokens: int
    sharp_share: float
    """Share of the tokens that start on sharp edges."""
    field_points: int
    image_size: int
    """Pixels of a side that an image is prepared for."""
    encoder_size: int
    """Pixels of a side that the image encoder sees."""
    objects: int
    view_counts: tuple[int, ...] = (1,)
    """How many views a step's images show, drawn with equal chances; more than one trains named views."""
    truncation: float = 0.1
    """Distance at which the field reaches -1 or 1."""
    kl_weight: float = 1e-3
    time_mean: float = 0.0
    """Mean of the logit of the time; its deviation is 1."""
    evaluation_objects: int = 32
    evaluation_guidance: float = 2.0
    evaluation_grid: int = 64
    """Cells along each side of the grid on which shapes are compared."""
    gradient_checkpointing: bool = False

    @property
    def named_views(self) -> bool:
        """Whether the weights learn to distinguish views by their name."""
        return max(self.view_counts) > 1

    @property
    def rendered_views(self) -> int:
        """Views rendered of each object, the front first."""
        return 4 if self.named_views else 1


def _image_encoder(width: int, layers: int, heads: int, image_size: int, swiglu: bool = True) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": 14,
        "use_swiglu_ffn": swiglu,
        "layerscale_value": 1.0,
        "layer_norm_eps": 1e-6,
    }


PRESETS: dict[str, TrainingPreset] = {
    # 2.96 M parameters in all: 5.9 MB in float16, small enough for git and for a CPU.
    "starter": TrainingPreset(
        autoencoder={
            "width": 96, "heads": 3, "encoder_layers": 1, "decoder_layers": 3, "latent_width": 16,
            "field_width": 96, "scale_factor": 1.0,
        },
        denoiser_kind="two_stream",
        denoiser={
            "width": 128, "depth": 1, "single_depth": 6, "heads": 4, "latent_width": 16, "condition_width": 128,
            "hidden_width": 224,
        },
        image_encoder=_image_encoder(128, 3, 4, 112),
        autoencoder_stage=StageSettings(steps=6000, batch=192, rate=1e-3),
        denoiser_stage=StageSettings(steps=15000, batch=384, rate=1e-3, warm_up=500, evaluate_every=2500),
        tokens=80,
        sharp_share=0.5,
        field_points=2048,
        image_size=256,
        encoder_size=112,
        objects=48000,
        view_counts=(1, 1, 1, 2, 4),
    ),
    "published": TrainingPreset(
        autoencoder={},
        denoiser_kind="mixture",
        denoiser={},
        image_encoder=_image_encoder(1024, 24, 16, 518, swiglu=False),
        autoencoder_stage=StageSettings(steps=200_000, batch=4, rate=1e-4, warm_up=2000, evaluate_every=5000),
        denoiser_stage=StageSettings(steps=400_000, batch=4, rate=1e-4, warm_up=2000, evaluate_every=10_000),
        tokens=4096,
        sharp_share=0.0,
        field_points=8192,
        image_size=512,
        encoder_size=518,
        objects=20_000,
        truncation=0.05,
        evaluation_objects=8,
        evaluation_guidance=5.0,
        gradient_checkpointing=True,
    ),
    "smoke": TrainingPreset(
        autoencoder={
            "width": 32, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "latent_width": 8, "field_width": 32,
            "scale_factor": 1.0,
        },
        denoiser_kind="two_stream",
        denoiser={
            "width": 32, "depth": 1, "single_depth": 1, "heads": 2, "latent_width": 8, "condition_width": 32,
            "hidden_width": 64,
        },
        image_encoder=_image_encoder(32, 1, 2, 56),
        autoencoder_stage=StageSettings(steps=40, batch=2, rate=3e-3, warm_up=5, evaluate_every=40),
        denoiser_stage=StageSettings(steps=40, batch=4, rate=3e-3, warm_up=5, evaluate_every=40),
        tokens=16,
        sharp_share=0.5,
        field_points=256,
        image_size=56,
        encoder_size=56,
        objects=8,
        view_counts=(1, 2),
        truncation=0.15,
        evaluation_objects=1,
        evaluation_grid=16,
    ),
}
