# SPDX-License-Identifier: GPL-3.0-or-later
"""What recipes share that train an autoencoder of shapes, and a denoiser that sees images of them."""

from __future__ import annotations

import argparse
import logging
import time
from abc import abstractmethod
from typing import Any

import torch
from accelerate.utils import set_seed
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..procedural.primitives import ObjectBatch
from .stage import Loss
from .two_stage_run import DENOISER, TwoStageRun

logger = logging.getLogger(__name__)

NORMALIZED_ON = 4096
"""Objects that mean and deviation of the latents are taken from."""


class ShapeRun(TwoStageRun):
    """Both stages learn from this process's drawn objects."""

    def __init__(self, options: argparse.Namespace, preset: Any) -> None:
        super().__init__(options, preset)
        self.compiled = self.device.type == "cuda" and not options.no_compile
        self.objects = self.own_objects()

    @abstractmethod
    def encoded(self, autoencoder: Any, objects: ObjectBatch, generator: torch.Generator) -> Tensor:
        """The objects' latents."""

    @abstractmethod
    def rendered(self, objects: ObjectBatch, generator: torch.Generator) -> Tensor:
        """Images of the objects, `[N, V, ...]`."""

    @abstractmethod
    def new_denoiser(self) -> tuple[nn.Module, ModelMixin]:
        """What the second stage trains, and the denoiser in it."""

    @abstractmethod
    def denoiser_learning(self, latents: Tensor, images: Tensor) -> Loss:
        """The second stage's loss."""

    @abstractmethod
    def denoiser_metrics(self, model: Any, autoencoder: Any) -> dict[str, float]:
        """Measured on held-out objects."""

    def some_latents(self, autoencoder: Any) -> Tensor:
        return self.encoded(autoencoder, self.objects[:NORMALIZED_ON], self.generator(3))

    def train_denoiser(self) -> bool:
        """Train denoiser and image encoder on the trained autoencoder's latents; return whether all is done."""
        autoencoder = self.normalized_autoencoder()
        began = time.monotonic()
        latents = self.encoded(autoencoder, self.objects, self.generator(4))
        logger.info("latents: deviation %.3f, encoded in %.1f s", latents.std(), time.monotonic() - began)
        began = time.monotonic()
        images = self.rendered(self.objects, self.generator(5))
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        logger.info("%d images rendered in %.1f s", images.shape[0] * images.shape[1], time.monotonic() - began)
        set_seed(self.options.seed + 1)
        model, denoiser = self.new_denoiser()
        if self.compiled:
            denoiser.compile_repeated_blocks(dynamic=False)
        return self.run(
            self.stage(DENOISER, model, self.preset.denoiser_stage), self.denoiser_learning(latents, images),
            lambda: self.denoiser_metrics(model, autoencoder),
        )
