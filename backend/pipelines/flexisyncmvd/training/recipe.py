# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, networks, losses and metrics of the two stages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cached_property

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ....procedural.primitives import ObjectBatch
from ....training.two_stage_run import train_two_stages, two_stage_parser
from ....training.view_run import ViewRun
from ....training.vocabulary import read_vocabulary, write_vocabulary
from .captions import CaptionTable, caption_table, words
from .evaluation import autoencoder_metrics, denoiser_metrics
from .learning import AutoencoderLearning, DenoiserLearning
from .networks import TextGuidedDenoiser, new_autoencoder, new_denoiser
from .pool import LatentPool, ViewPool, encode_pool, make_view_pool
from .presets import PRESETS, TrainingPreset

TOKENIZER = "tokenizer"
NORMALIZED_ON = 1024
"""Views that mean and deviation of the latents are taken from."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train a small set of Stable Diffusion's networks to paint procedural objects by caption and depth."
    return two_stage_parser("flexisyncmvd", description, PRESETS)


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    return train_two_stages(Run, build_parser(), PRESETS, arguments)


class Run(ViewRun[ViewPool, LatentPool]):
    """One call of the command."""

    preset: TrainingPreset

    def __init__(self, options: argparse.Namespace, preset: TrainingPreset) -> None:
        super().__init__(options, preset)
        with self.accelerator.main_process_first():
            if self.accelerator.is_main_process:
                write_vocabulary(options.out / TOKENIZER, words())
            self.tokenizer = read_vocabulary(options.out / TOKENIZER)

    def seen(self, objects: ObjectBatch, generator: torch.Generator) -> ViewPool:
        return make_view_pool(objects, self.preset.image_size, generator)

    def new_autoencoder(self) -> AutoencoderKL:
        return new_autoencoder(self.preset)

    def autoencoder_learning(self) -> AutoencoderLearning:
        return AutoencoderLearning(self.views, self.preset)

    def autoencoder_metrics(self, autoencoder: AutoencoderKL) -> dict[str, float]:
        return autoencoder_metrics(autoencoder, self.held_out, seed=2)

    def some_latents(self, autoencoder: AutoencoderKL) -> Tensor:
        few = ViewPool(self.views.views[:NORMALIZED_ON], self.views.direction[:NORMALIZED_ON])
        return encode_pool(autoencoder, few, 1, self.generator(3)).latent.float().transpose(0, 2).flatten(1)

    def new_denoiser(self) -> TextGuidedDenoiser:
        return new_denoiser(self.preset, self.tokenizer)

    @cached_property
    def captions(self) -> CaptionTable:
        """All captions on this process's device."""
        return caption_table(self.tokenizer, self.preset.wordings, self.options.seed).to(self.device)

    def encoded(self, autoencoder: AutoencoderKL, views: ViewPool, generator: torch.Generator) -> LatentPool:
        return encode_pool(autoencoder, views, self.preset.paintings, generator)

    def encoded_held_out(self, autoencoder: AutoencoderKL, views: ViewPool, generator: torch.Generator) -> LatentPool:
        return encode_pool(autoencoder, views, 1, generator)

    def denoiser_learning(self, pool: LatentPool) -> DenoiserLearning:
        return DenoiserLearning(pool, self.captions, self.preset)

    def denoiser_metrics(
        self, model: TextGuidedDenoiser, autoencoder: AutoencoderKL, pool: LatentPool
    ) -> dict[str, float]:
        return denoiser_metrics(model, autoencoder, self.held_out, pool, self.captions, self.preset)
