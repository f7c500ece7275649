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
from ....training.vocabulary import read_vocabulary, write_vocabulary
from .captions import caption_table, words
from .evaluation import autoencoder_metrics, denoiser_metrics
from .learning import AutoencoderLearning, DenoiserLearning
from .networks import Reconstruction, fold_normalization, new_autoencoder, new_denoiser
from .pool import ViewPool, encode_pool, make_view_pool
from .presets import PRESETS, Preset

logger = logging.getLogger(__name__)

AUTOENCODER, DENOISER, TOKENIZER = "autoencoder", "denoiser", "tokenizer"
NORMALIZED = "normalized.safetensors"
"""The trained autoencoder with its latents' mean and deviation folded into its weights: the denoiser learns from it."""
NORMALIZED_ON = 1024


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train a small set of Stable Diffusion's networks to paint procedural objects by caption and depth."
    return build_run_parser("flexisyncmvd", description, PRESETS, (AUTOENCODER, DENOISER))


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    options = build_parser().parse_args(arguments)
    run = Run(options)
    stages = {AUTOENCODER: run.train_autoencoder, DENOISER: run.train_denoiser}
    return run_stages(stages.values() if options.stage == "all" else [stages[options.stage]])


def effective_preset(options: argparse.Namespace) -> Preset:
    """Return the preset with the options that replace some of its values."""
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
        with self.accelerator.main_process_first():
            if self.accelerator.is_main_process:
                write_vocabulary(options.out / TOKENIZER, words())
            self.tokenizer = read_vocabulary(options.out / TOKENIZER)

    def _generator(self, number: int) -> torch.Generator:
        return own_generator(number, self.options.seed, self.accelerator)

    @cached_property
    def views(self) -> ViewPool:
        """This process's training views."""
        began = time.monotonic()
        everything = ObjectBatch.from_arrays(draw_objects(Split.TRAINING, self.preset.objects, self.options.seed),
                                             self.device)
        objects = everything[own_share(len(everything), self.accelerator)]
        drawn = time.monotonic()
        pool = make_view_pool(objects, self.preset.image_size, self._generator(0))
        logger.info("%d objects drawn in %.1f s, %d seen in %.1f s on %s", len(everything), drawn - began, len(pool),
                    time.monotonic() - drawn, self.device)
        return pool

    @cached_property
    def held_out(self) -> ViewPool:
        """The views of the evaluations, made when the first one comes."""
        arrays = draw_objects(Split.HELD_OUT, self.preset.evaluation_objects, self.options.seed)
        objects = ObjectBatch.from_arrays(arrays, self.device)
        return make_view_pool(objects, self.preset.image_size, self._generator(1))

    def _stage(self, name: str, module: torch.nn.Module) -> Stage:
        settings = getattr(self.preset, f"{name}_stage")
        stage = Stage(self.accelerator, module, settings, self.options.out / name, self.options.seed)
        if self.options.resume:
            stage.resume()
        return stage

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = new_autoencoder(self.preset)
        stage = self._stage(AUTOENCODER, Reconstruction(autoencoder))
        if stage.step >= stage.settings.steps:
            return True
        learning = AutoencoderLearning(self.views, self.preset)

        def evaluate() -> dict[str, float]:
            return autoencoder_metrics(autoencoder, self.held_out, seed=2)

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
            few = ViewPool(self.views.views[:NORMALIZED_ON], self.views.direction[:NORMALIZED_ON])
            latents = encode_pool(autoencoder, few, 1, self._generator(3)).latent.float().transpose(0, 2).flatten(1)
            mean, deviation = latents.mean(dim=1), latents.std(dim=1)
            logger.info("latents before folding: mean %s, deviation %s", mean.tolist(), deviation.tolist())
            fold_normalization(autoencoder, mean, deviation)
            write_whole(path, autoencoder.state_dict())
        self.accelerator.wait_for_everyone()
        autoencoder = new_autoencoder(self.preset)
        autoencoder.load_state_dict(load_file(path))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    def train_denoiser(self) -> bool:
        """Train UNet, ControlNet and text encoder on the autoencoder's latents; return whether all is done."""
        set_seed(self.options.seed + 1)
        model = new_denoiser(self.preset, self.tokenizer)
        stage = self._stage(DENOISER, model)
        if stage.step >= stage.settings.steps:
            return True
        autoencoder = self.normalized_autoencoder()
        captions = caption_table(self.tokenizer, self.preset.wordings, self.options.seed).to(self.device)
        began = time.monotonic()
        pool = encode_pool(autoencoder, self.views, self.preset.paintings, self._generator(4))
        logger.info("latents: deviation %.3f, encoded in %.1f s", pool.latent.float().std(), time.monotonic() - began)
        del self.views  # the images are not needed any more
        held_out = encode_pool(autoencoder, self.held_out, 1, self._generator(5))

        def evaluate() -> dict[str, float]:
            return denoiser_metrics(model, autoencoder, self.held_out, held_out, captions, self.preset)

        learning = DenoiserLearning(pool, captions, self.preset)
        return stage.run(learning, evaluate, self.deadline, self.options.stop_at)
