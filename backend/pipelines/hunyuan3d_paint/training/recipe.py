# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, networks, losses and metrics of the two stages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ....procedural.primitives import ObjectBatch
from ....training.two_stage_run import train_two_stages, two_stage_parser
from ....training.view_run import ViewRun
from .evaluation import autoencoder_metrics, denoiser_metrics
from .learning import AutoencoderLearning, DenoiserLearning
from .networks import Denoiser, new_autoencoder, new_denoiser
from .pool import LatentPool, ViewPool, encode, encode_pool, make_view_pool, training_images
from .presets import PRESETS, TrainingPreset

NORMALIZED_ON = 1024
"""Images that mean and deviation of the latents are taken from."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train a small set of Hunyuan3D paint's networks to paint procedural objects by an image."
    return two_stage_parser("hunyuan3d_paint", description, PRESETS)


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    return train_two_stages(Run, build_parser(), PRESETS, arguments)


class Run(ViewRun[ViewPool, LatentPool]):
    """One call of the command."""

    preset: TrainingPreset

    def seen(self, objects: ObjectBatch, generator: torch.Generator) -> ViewPool:
        return make_view_pool(objects, self.preset.view_size, generator)

    def new_autoencoder(self) -> AutoencoderKL:
        return new_autoencoder(self.preset)

    def autoencoder_learning(self) -> AutoencoderLearning:
        return AutoencoderLearning(self.views, self.preset)

    def autoencoder_metrics(self, autoencoder: AutoencoderKL) -> dict[str, float]:
        return autoencoder_metrics(autoencoder, self.held_out, seed=2)

    @torch.no_grad()
    def some_latents(self, autoencoder: AutoencoderKL) -> Tensor:
        images = training_images(self.views.views[:NORMALIZED_ON], self.generator(3))
        latents = torch.cat([encode(autoencoder, some) for some in images.split(64)])
        return latents.float().transpose(0, 1).flatten(1)

    def new_denoiser(self) -> Denoiser:
        return new_denoiser(self.preset)

    def encoded(self, autoencoder: AutoencoderKL, views: ViewPool, generator: torch.Generator) -> LatentPool:
        return encode_pool(autoencoder, views, self.preset, generator)

    def encoded_held_out(self, autoencoder: AutoencoderKL, views: ViewPool, generator: torch.Generator) -> LatentPool:
        return self.encoded(autoencoder, views, generator)

    def denoiser_learning(self, pool: LatentPool) -> DenoiserLearning:
        return DenoiserLearning(pool, self.preset)

    def denoiser_metrics(self, model: Denoiser, autoencoder: AutoencoderKL, pool: LatentPool) -> dict[str, float]:
        return denoiser_metrics(model, autoencoder, self.held_out, pool, self.preset)
