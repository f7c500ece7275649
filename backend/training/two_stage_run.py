# SPDX-License-Identifier: GPL-3.0-or-later
"""What recipes share that train an autoencoder of shapes and then a denoiser on its latents, both on drawn objects."""

from __future__ import annotations

import argparse
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file
from torch import Tensor, nn

from ..procedural.dataset import Split, draw_objects
from ..procedural.primitives import ObjectBatch
from .command import deadline, own_generator, own_share, start_processes
from .stage import Loss, Stage, write_whole

logger = logging.getLogger(__name__)

NORMALIZED = "normalized.safetensors"
"""The trained autoencoder with its latents' mean and deviation folded into its weights: the denoiser learns from it."""
NORMALIZED_ON = 4096
"""Objects that mean and deviation of the latents are taken from."""


class TwoStageRun(ABC):
    """One call of the training command: the data on this process's device and the two stages that use it.

    A recipe says what its networks, losses and metrics are. `preset` has `objects` and `evaluation_objects`, their
    numbers, and the settings `autoencoder_stage` and `denoiser_stage`.
    """

    def __init__(self, options: argparse.Namespace, preset: Any) -> None:
        self.options, self.deadline, self.preset = options, deadline(options), preset
        self.accelerator = start_processes(options)
        self.device = self.accelerator.device
        self.compiled = self.device.type == "cuda" and not options.no_compile
        began = time.monotonic()
        everything = self.drawn(Split.TRAINING, preset.objects)
        self.objects = everything[own_share(len(everything), self.accelerator)]
        logger.info(
            "%d objects drawn in %.1f s, of which %d for this process on %s",
            len(everything), time.monotonic() - began, len(self.objects), self.device,
        )

    @abstractmethod
    def new_autoencoder(self) -> ModelMixin:
        """An untrained autoencoder."""

    @abstractmethod
    def autoencoder_learning(self) -> Loss:
        """The autoencoder's loss on `objects`."""

    @abstractmethod
    def autoencoder_metrics(self, autoencoder: Any) -> dict[str, float]:
        """Measured on held-out objects."""

    @abstractmethod
    def encoded(self, autoencoder: Any, objects: ObjectBatch, generator: torch.Generator) -> Tensor:
        """The objects' latents."""

    @abstractmethod
    def fold(self, autoencoder: Any, latents: Tensor) -> None:
        """Change the autoencoder so that such latents have the mean 0 and the deviation 1."""

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

    def drawn(self, split: Split, count: int) -> ObjectBatch:
        """The first objects of a split on this process's device."""
        return ObjectBatch.from_arrays(draw_objects(split, count, self.options.seed), self.device)

    def generator(self, number: int) -> torch.Generator:
        """This process's own random numbers for one purpose."""
        return own_generator(number, self.options.seed, self.accelerator)

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = self.new_autoencoder()
        if self.compiled:
            autoencoder.compile_repeated_blocks(dynamic=False)
        stage = self._stage("autoencoder", autoencoder)
        done = self._run(stage, self.autoencoder_learning(), lambda: self.autoencoder_metrics(autoencoder))
        if done and self.accelerator.is_main_process:
            (stage.folder / NORMALIZED).unlink(missing_ok=True)  # of an earlier, shorter training
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return done

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
        stage = self._stage("denoiser", model)
        return self._run(
            stage, self.denoiser_learning(latents, images), lambda: self.denoiser_metrics(model, autoencoder)
        )

    def normalized_autoencoder(self) -> Any:
        """Return the trained autoencoder with normalized latents; the first process writes its file where none is."""
        path = self.options.out / "autoencoder" / NORMALIZED
        if self.accelerator.is_main_process and not path.is_file():
            self._normalize(path)
        self.accelerator.wait_for_everyone()
        return self._trained_autoencoder(path)

    def _normalize(self, path: Path) -> None:
        autoencoder = self._trained_autoencoder(path.with_name("average.safetensors"))
        latents = self.encoded(autoencoder, self.objects[:NORMALIZED_ON], self.generator(3))
        logger.info("latents before folding: mean %.3f, deviation %.3f", latents.mean(), latents.std())
        self.fold(autoencoder, latents)
        write_whole(path, autoencoder.state_dict())

    def _trained_autoencoder(self, path: Path) -> Any:
        autoencoder: Any = self.new_autoencoder()
        autoencoder.load_state_dict(load_file(path))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    def _stage(self, name: str, module: nn.Module) -> Stage:
        settings = getattr(self.preset, f"{name}_stage")
        return Stage(self.accelerator, module, settings, self.options.out / name, self.options.seed)

    def _run(self, stage: Stage, learning: Loss, evaluate: Callable[[], dict[str, float]]) -> bool:
        if self.options.resume:
            stage.resume()
        return stage.run(learning, evaluate, self.deadline, self.options.stop_at)
