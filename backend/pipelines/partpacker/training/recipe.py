# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, the two stages one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cached_property
from typing import cast

import torch
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ....procedural.cameras import random_cameras
from ....procedural.dataset import Split
from ....procedural.primitives import ObjectBatch
from ....procedural.rendering import on_white, render
from ....training.shape_run import ShapeRun
from ....training.two_stage_run import train_two_stages, two_stage_parser
from ..autoencoder import PartPackerAutoencoder
from .evaluation import HeldOut, autoencoder_metrics, denoiser_metrics, true_inside
from .learning import (
    AutoencoderLearning,
    ConditionedDenoiser,
    DenoiserLearning,
    new_autoencoder,
    new_conditioned_denoiser,
)
from .pool import encode_pool, fold_normalization, render_pool
from .presets import PRESETS, TrainingPreset


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train PartPacker's autoencoder and denoiser on procedural objects."
    parser = two_stage_parser("partpacker", description, PRESETS)
    parser.add_argument("--no-compile", action="store_true", help="do not compile the networks' blocks on a GPU")
    parser.add_argument("--image-encoder", help="folder or name of a pretrained DINOv2, which then stays frozen")
    return parser


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    return train_two_stages(Run, build_parser(), PRESETS, arguments)


class Run(ShapeRun):
    """One call of the command."""

    preset: TrainingPreset

    @cached_property
    def held_out(self) -> HeldOut:
        """The objects of the evaluations, made when the first one comes."""
        objects, generator = self.drawn(Split.HELD_OUT, self.preset.evaluation_objects), self.generator(1)
        with torch.no_grad():
            rendered = render(objects, random_cameras(objects, generator), self.preset.image_size)
            images = on_white(rendered, dark_rim=True)
        grid = self.preset.evaluation_grid
        return HeldOut(objects, images, true_inside(objects, grid), grid)

    def new_autoencoder(self) -> PartPackerAutoencoder:
        return new_autoencoder(self.preset)

    def autoencoder_learning(self) -> AutoencoderLearning:
        return AutoencoderLearning(self.objects, self.preset)

    def autoencoder_metrics(self, autoencoder: PartPackerAutoencoder) -> dict[str, float]:
        return autoencoder_metrics(autoencoder, self.held_out, self.preset, seed=2)

    def encoded(self, autoencoder: PartPackerAutoencoder, objects: ObjectBatch, generator: torch.Generator) -> Tensor:
        return encode_pool(autoencoder, objects, self.preset, generator)

    def fold(self, autoencoder: PartPackerAutoencoder, latents: Tensor) -> None:
        fold_normalization(autoencoder, latents)

    def rendered(self, objects: ObjectBatch, generator: torch.Generator) -> Tensor:
        return render_pool(objects, self.preset.image_size, self.preset.views, generator)

    def new_denoiser(self) -> tuple[nn.Module, ModelMixin]:
        model = new_conditioned_denoiser(self.preset, self.options.image_encoder)
        return model, model.denoiser

    def denoiser_learning(self, latents: Tensor, images: Tensor) -> DenoiserLearning:
        return DenoiserLearning(latents, images, self.preset)

    def denoiser_metrics(self, model: nn.Module, autoencoder: PartPackerAutoencoder) -> dict[str, float]:
        return denoiser_metrics(cast(ConditionedDenoiser, model), autoencoder, self.held_out, self.preset)
