# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, the two stages one after the other."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from functools import cached_property

import torch
from accelerate.utils import set_seed
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from ....procedural.dataset import Split, draw_objects
from ....procedural.primitives import ObjectBatch
from ....training.command import (
    build_run_parser,
    deadline,
    own_generator,
    own_share,
    run_stages,
    start_processes,
    with_options,
)
from ....training.stage import Stage, write_whole
from .evaluation import autoencoder_metrics, denoiser_metrics
from .learning import AutoencoderLearning, DenoiserLearning
from .networks import Reconstruction, fold_normalization, new_autoencoder, new_denoiser
from .pool import ViewPool, encode, encode_pool, make_view_pool, training_images
from .presets import PRESETS, Preset

logger = logging.getLogger(__name__)

AUTOENCODER, DENOISER = "autoencoder", "denoiser"
NORMALIZED = "normalized.safetensors"
"""The trained autoencoder with its latents' mean and deviation folded into its weights: the denoiser learns from it."""
NORMALIZED_ON = 1024


def build_parser() -> argparse.ArgumentParser:
    """The parser of the training command's options."""
    description = "Train a small set of Hunyuan3D paint's networks to paint procedural objects by an image."
    return build_run_parser("hunyuan3d_paint", description, PRESETS, (AUTOENCODER, DENOISER))


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    options = build_parser().parse_args(arguments)
    run = Run(options)
    stages = {AUTOENCODER: run.train_autoencoder, DENOISER: run.train_denoiser}
    return run_stages(stages.values() if options.stage == "all" else [stages[options.stage]])


def effective_preset(options: argparse.Namespace) -> Preset:
    """The preset with the options that replace some of its numbers."""
    lengths = {"autoencoder_stage": options.autoencoder_steps, "denoiser_stage": options.denoiser_steps}
    return with_options(PRESETS[options.preset], options, lengths)


class Run:
    """One call of the command: the data on this process's device and the stages that use it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.deadline = options, deadline(options)
        self.preset = effective_preset(options)
        self.accelerator = start_processes(options)
        self.device = self.accelerator.device
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")

    def _generator(self, number: int) -> torch.Generator:
        return own_generator(number, self.options.seed, self.accelerator)

    @cached_property
    def views(self) -> ViewPool:
        """This process's training views."""
        began = time.monotonic()
        arrays = draw_objects(Split.TRAINING, self.preset.objects, self.options.seed)
        everything = ObjectBatch.from_arrays(arrays, self.device)
        objects = everything[own_share(len(everything), self.accelerator)]
        pool = make_view_pool(objects, self.preset.view_size, self._generator(0))
        logger.info("%d objects drawn, %d seen in %.1f s on %s", len(everything), len(pool),
                    time.monotonic() - began, self.device)
        return pool

    @cached_property
    def held_out(self) -> ViewPool:
        """The views of the evaluations, made when the first one comes."""
        arrays = draw_objects(Split.HELD_OUT, self.preset.evaluation_objects, self.options.seed)
        return make_view_pool(ObjectBatch.from_arrays(arrays, self.device), self.preset.view_size, self._generator(1))

    def _stage(self, name: str, module: torch.nn.Module) -> Stage:
        numbers = getattr(self.preset, f"{name}_stage")
        stage = Stage(self.accelerator, module, numbers, self.options.out / name, self.options.seed)
        if self.options.resume:
            stage.resume()
        return stage

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = new_autoencoder(self.preset)
        stage = self._stage(AUTOENCODER, Reconstruction(autoencoder))
        if stage.step >= stage.settings.steps:
            return True

        def evaluate() -> dict[str, float]:
            return autoencoder_metrics(autoencoder, self.held_out, seed=2)

        learning = AutoencoderLearning(self.views, self.preset)
        done = stage.run(learning, evaluate, self.deadline, self.options.stop_at)
        if done and self.accelerator.is_main_process:
            (self.options.out / AUTOENCODER / NORMALIZED).unlink(missing_ok=True)  # of an earlier, shorter training
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return done

    def normalized_autoencoder(self) -> AutoencoderKL:
        """The trained autoencoder with normalized latents; the first process writes its file where none is."""
        path = self.options.out / AUTOENCODER / NORMALIZED
        if self.accelerator.is_main_process and not path.is_file():
            trained = Reconstruction(new_autoencoder(self.preset))
            trained.load_state_dict(load_file(path.with_name("average.safetensors")))
            autoencoder = trained.autoencoder.to(self.device).eval()
            with torch.no_grad():
                images = training_images(self.views.views[:NORMALIZED_ON], self._generator(3))
                latents = torch.cat([encode(autoencoder, some) for some in images.split(64)])
            latents = latents.float().transpose(0, 1).flatten(1)
            mean, deviation = latents.mean(dim=1), latents.std(dim=1)
            logger.info("latents before folding: mean %s, deviation %s", mean.tolist(), deviation.tolist())
            fold_normalization(autoencoder, mean, deviation)
            write_whole(path, autoencoder.state_dict())
        self.accelerator.wait_for_everyone()
        autoencoder = new_autoencoder(self.preset)
        autoencoder.load_state_dict(load_file(path))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    def train_denoiser(self) -> bool:
        """Train all other networks on the autoencoder's latents; return whether all is done."""
        set_seed(self.options.seed + 1)
        model = new_denoiser(self.preset)
        stage = self._stage(DENOISER, model)
        if stage.step >= stage.settings.steps:
            return True
        autoencoder = self.normalized_autoencoder()
        began = time.monotonic()
        pool = encode_pool(autoencoder, self.views, self.preset, self._generator(4))
        logger.info("latents: deviation %.3f, encoded in %.1f s", pool.latent.float().std(), time.monotonic() - began)
        del self.views  # the images are not needed any more
        held_out = encode_pool(autoencoder, self.held_out, self.preset, self._generator(5))

        def evaluate() -> dict[str, float]:
            return denoiser_metrics(model, autoencoder, self.held_out, held_out, self.preset)

        return stage.run(DenoiserLearning(pool, self.preset), evaluate, self.deadline, self.options.stop_at)
