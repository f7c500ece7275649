# SPDX-License-Identifier: GPL-3.0-or-later
"""What recipes share that train an autoencoder and then a denoiser on its latents."""

from __future__ import annotations

import argparse
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file
from torch import Tensor, nn

from .command import build_run_parser, chosen_stages, preset_of, run_stages
from .recipe_run import RecipeRun
from .stage import Loss, write_whole

logger = logging.getLogger(__name__)

AUTOENCODER, DENOISER = STAGES = ("autoencoder", "denoiser")
NORMALIZED = "normalized.safetensors"
"""The trained autoencoder with its latents' mean and deviation folded into its weights: the denoiser learns from it."""


class TwoStageRun(RecipeRun, ABC):
    """The two stages, and the autoencoder between them. A recipe says what its networks, losses and metrics are.

    `preset` has `objects` and `evaluation_objects`, their numbers, and the settings `autoencoder_stage` and
    `denoiser_stage`.
    """

    compiled = False
    """Whether the networks' blocks are compiled."""

    @abstractmethod
    def new_autoencoder(self) -> ModelMixin:
        """An untrained autoencoder."""

    def module_of(self, autoencoder: Any) -> nn.Module:
        """What the first stage trains: the autoencoder, or a module around it."""
        module: nn.Module = autoencoder
        return module

    @abstractmethod
    def autoencoder_learning(self) -> Loss:
        """The autoencoder's loss on this process's objects."""

    @abstractmethod
    def autoencoder_metrics(self, autoencoder: Any) -> dict[str, float]:
        """Measured on held-out objects."""

    @abstractmethod
    def some_latents(self, autoencoder: Any) -> Tensor:
        """Enough latents of the training objects to know their mean and deviation."""

    @abstractmethod
    def fold(self, autoencoder: Any, latents: Tensor) -> None:
        """Change the autoencoder so that such latents have the mean 0 and the deviation 1."""

    @abstractmethod
    def train_denoiser(self) -> bool:
        """Train the denoiser on the trained autoencoder's latents; return whether all is done."""

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = self.new_autoencoder()
        if self.compiled:
            autoencoder.compile_repeated_blocks(dynamic=False)
        stage = self.stage(AUTOENCODER, self.module_of(autoencoder), self.preset.autoencoder_stage)
        if stage.done:
            return True
        done = self.run(stage, self.autoencoder_learning(), lambda: self.autoencoder_metrics(autoencoder))
        if done and self.accelerator.is_main_process:
            (stage.folder / NORMALIZED).unlink(missing_ok=True)  # of an earlier, shorter training
        self.accelerator.wait_for_everyone()
        return done

    def normalized_autoencoder(self) -> Any:
        """Return the trained autoencoder with normalized latents; the first process writes its file where none is."""
        path = self.options.out / AUTOENCODER / NORMALIZED
        if self.accelerator.is_main_process and not path.is_file():
            self._normalize(path)
        self.accelerator.wait_for_everyone()
        autoencoder: Any = self.new_autoencoder()
        autoencoder.load_state_dict(load_file(path))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    def _normalize(self, path: Path) -> None:
        autoencoder: Any = self.new_autoencoder()
        self.module_of(autoencoder).load_state_dict(load_file(path.with_name("average.safetensors")))
        autoencoder.to(self.device).eval().requires_grad_(False)
        latents = self.some_latents(autoencoder)
        logger.info("latents before folding: mean %.3f, deviation %.3f", latents.mean(), latents.std())
        self.fold(autoencoder, latents)
        write_whole(path, autoencoder.state_dict())


def two_stage_parser(pipeline: str, description: str, presets: Iterable[str]) -> argparse.ArgumentParser:
    """Return the parser of the options of a recipe of two stages; a recipe may add its own."""
    return build_run_parser(pipeline, description, presets, STAGES)


def train_two_stages(
    run: type[TwoStageRun], parser: argparse.ArgumentParser, presets: dict[str, Any], arguments: Sequence[str]
) -> int:
    """Run the training command of a recipe; return its exit status."""
    options = parser.parse_args(arguments)
    recipe = run(options, preset_of(options, presets, STAGES))
    return run_stages(chosen_stages(options, {AUTOENCODER: recipe.train_autoencoder, DENOISER: recipe.train_denoiser}))
