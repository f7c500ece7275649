# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of a training command: its processes, its random numbers, its objects and its stages."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..procedural.dataset import Split, draw_objects
from ..procedural.primitives import ObjectBatch
from .command import deadline, own_generator, own_share, start_processes
from .schedule import StageSettings
from .stage import Loss, Stage

logger = logging.getLogger(__name__)


class RecipeRun:
    """What the run of every recipe begins with. `preset` has the recipe's numbers, `options` the command's."""

    def __init__(self, options: argparse.Namespace, preset: Any) -> None:
        self.options, self.deadline, self.preset = options, deadline(options), preset
        self.accelerator = start_processes(options)
        self.device = self.accelerator.device

    def generator(self, number: int) -> torch.Generator:
        """This process's own random numbers for one purpose, by its `number` below 100."""
        return own_generator(number, self.options.seed, self.accelerator)

    def drawn(self, split: Split, count: int) -> ObjectBatch:
        """The first objects of a split on this process's device."""
        return ObjectBatch.from_arrays(draw_objects(split, count, self.options.seed), self.device)

    def own_objects(self) -> ObjectBatch:
        """Those of the preset's training objects that this process learns from."""
        began = time.monotonic()
        everything = self.drawn(Split.TRAINING, self.preset.objects)
        own = everything[own_share(len(everything), self.accelerator)]
        logger.info("%d objects drawn in %.1f s, of which %d for this process on %s", len(everything),
                    time.monotonic() - began, len(own), self.device)
        return own

    def stage(self, name: str, module: nn.Module, settings: StageSettings) -> Stage:
        """A stage with a folder of its own, resumed where the command says so."""
        stage = Stage(self.accelerator, module, settings, self.options.out / name, self.options.seed)
        if self.options.resume:
            stage.resume()
        return stage

    def run(self, stage: Stage, learning: Loss, evaluate: Callable[[], dict[str, float]]) -> bool:
        """Train as far as the command allows; return whether the stage's last step is done."""
        done = stage.run(learning, evaluate, self.deadline, self.options.stop_at)
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return done
