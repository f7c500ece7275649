# SPDX-License-Identifier: GPL-3.0-or-later
"""What recipes share that train an autoencoder of images, and a denoiser that paints views of objects."""

from __future__ import annotations

import argparse
import logging
import time
from abc import abstractmethod
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import torch
from accelerate.utils import set_seed
from diffusers import AutoencoderKL
from torch import Tensor, nn

from ..procedural.dataset import Split
from ..procedural.primitives import ObjectBatch
from .image_autoencoder import ImageReconstruction, fold_normalization
from .stage import Loss
from .two_stage_run import DENOISER, TwoStageRun

logger = logging.getLogger(__name__)


class Encoded(Protocol):
    """What the second stage learns from."""

    @property
    def latent(self) -> Tensor:
        """The latents, whose first axis is the views or objects."""


Views = TypeVar("Views")
Latents = TypeVar("Latents", bound=Encoded)


class ViewRun(TwoStageRun, Generic[Views, Latents]):
    """Both stages learn from views of this process's drawn objects."""

    def __init__(self, options: argparse.Namespace, preset: Any) -> None:
        super().__init__(options, preset)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")

    @abstractmethod
    def seen(self, objects: ObjectBatch, generator: torch.Generator) -> Views:
        """Views of objects."""

    @abstractmethod
    def encoded(self, autoencoder: AutoencoderKL, views: Views, generator: torch.Generator) -> Latents:
        """The training views, painted and encoded."""

    @abstractmethod
    def encoded_held_out(self, autoencoder: AutoencoderKL, views: Views, generator: torch.Generator) -> Latents:
        """The evaluation's views, painted and encoded."""

    @abstractmethod
    def new_denoiser(self) -> nn.Module:
        """What the second stage trains."""

    @abstractmethod
    def denoiser_learning(self, pool: Latents) -> Loss:
        """The second stage's loss."""

    @abstractmethod
    def denoiser_metrics(self, model: Any, autoencoder: AutoencoderKL, pool: Latents) -> dict[str, float]:
        """Measured on the held-out objects."""

    @cached_property
    def views(self) -> Views:
        """This process's training views."""
        objects = self.own_objects()
        began = time.monotonic()
        views = self.seen(objects, self.generator(0))
        logger.info("seen in %.1f s", time.monotonic() - began)
        return views

    @cached_property
    def held_out(self) -> Views:
        """The views of the evaluations, made for the first one."""
        return self.seen(self.drawn(Split.HELD_OUT, self.preset.evaluation_objects), self.generator(1))

    def module_of(self, autoencoder: AutoencoderKL) -> ImageReconstruction:
        return ImageReconstruction(autoencoder)

    def fold(self, autoencoder: AutoencoderKL, latents: Tensor) -> None:
        """Of latents float32 `[channels, N]`."""
        fold_normalization(autoencoder, latents.mean(dim=1), latents.std(dim=1))

    def train_denoiser(self) -> bool:
        """Train all other networks on the autoencoder's latents; return whether all is done."""
        set_seed(self.options.seed + 1)
        model = self.new_denoiser()
        stage = self.stage(DENOISER, model, self.preset.denoiser_stage)
        if stage.done:
            return True
        autoencoder = self.normalized_autoencoder()
        began = time.monotonic()
        pool = self.encoded(autoencoder, self.views, self.generator(4))
        logger.info("latents: deviation %.3f, encoded in %.1f s", pool.latent.float().std(), time.monotonic() - began)
        del self.views  # the images are not needed any more
        held_out = self.encoded_held_out(autoencoder, self.held_out, self.generator(5))
        return self.run(
            stage, self.denoiser_learning(pool), lambda: self.denoiser_metrics(model, autoencoder, held_out)
        )
