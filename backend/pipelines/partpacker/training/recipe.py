# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, the two stages one after the other."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from accelerate.utils import set_seed
from safetensors.torch import load_file

from ....procedural.cameras import random_cameras
from ....procedural.dataset import Split, draw_objects
from ....procedural.primitives import ObjectBatch
from ....procedural.rendering import on_white, render
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
from ..autoencoder import PartPackerAutoencoder
from .evaluation import HeldOut, autoencoder_metrics, denoiser_metrics, true_inside
from .learning import AutoencoderLearning, DenoiserLearning, new_autoencoder, new_conditioned_denoiser
from .pool import encode_pool, fold_normalization, render_pool
from .presets import PRESETS, Preset

logger = logging.getLogger(__name__)

NORMALIZED = "normalized.safetensors"
"""The trained autoencoder with its latents' mean and deviation folded into its weights: the denoiser learns from it."""
NORMALIZED_ON = 4096
"""Objects that mean and deviation of the latents are taken from."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train PartPacker's autoencoder and denoiser on procedural objects."
    parser = build_run_parser("partpacker", description, PRESETS, ("autoencoder", "denoiser"))
    parser.add_argument("--no-compile", action="store_true", help="do not compile the networks' blocks on a GPU")
    parser.add_argument("--image-encoder", help="folder or name of a pretrained DINOv2, which then stays frozen")
    return parser


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    options = build_parser().parse_args(arguments)
    run = Run(options)
    stages = {"autoencoder": run.train_autoencoder, "denoiser": run.train_denoiser}
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
        self.compiled = self.device.type == "cuda" and not options.no_compile
        began = time.monotonic()
        arrays = draw_objects(Split.TRAINING, self.preset.objects, options.seed)
        everything = ObjectBatch.from_arrays(arrays, self.device)
        self.objects = everything[own_share(len(everything), self.accelerator)]
        logger.info(
            "%d objects drawn in %.1f s, of which %d for this process on %s",
            len(everything), time.monotonic() - began, len(self.objects), self.device,
        )

    def _generator(self, number: int) -> torch.Generator:
        return own_generator(number, self.options.seed, self.accelerator)

    @cached_property
    def held_out(self) -> HeldOut:
        """The objects of the evaluations, made when the first one comes."""
        arrays = draw_objects(Split.HELD_OUT, self.preset.evaluation_objects, self.options.seed)
        objects, generator = ObjectBatch.from_arrays(arrays, self.device), self._generator(1)
        with torch.no_grad():
            rendered = render(objects, random_cameras(objects, generator), self.preset.image_size)
            images = on_white(rendered, dark_rim=True)
        grid = self.preset.evaluation_grid
        return HeldOut(objects, images, true_inside(objects, grid), grid)

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = new_autoencoder(self.preset)
        if self.compiled:
            autoencoder.compile_repeated_blocks(dynamic=False)
        settings = self.preset.autoencoder_stage
        stage = Stage(self.accelerator, autoencoder, settings, self.options.out / "autoencoder", self.options.seed)
        if self.options.resume:
            stage.resume()

        def evaluate() -> dict[str, float]:
            return autoencoder_metrics(autoencoder, self.held_out, self.preset, seed=2)

        learning = AutoencoderLearning(self.objects, self.preset)
        done = stage.run(learning, evaluate, self.deadline, self.options.stop_at)
        if done and self.accelerator.is_main_process:
            (self.options.out / "autoencoder" / NORMALIZED).unlink(missing_ok=True)  # of an earlier, shorter training
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return done

    def normalized_autoencoder(self) -> PartPackerAutoencoder:
        """Return the trained autoencoder with normalized latents; the first process writes its file where none is."""
        path = self.options.out / "autoencoder" / NORMALIZED
        if self.accelerator.is_main_process and not path.is_file():
            self._normalize(path)
        self.accelerator.wait_for_everyone()
        return self._trained_autoencoder(path)

    def _trained_autoencoder(self, path: Path) -> PartPackerAutoencoder:
        autoencoder = new_autoencoder(self.preset)
        autoencoder.load_state_dict(load_file(path))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    def _normalize(self, path: Path) -> None:
        autoencoder = self._trained_autoencoder(path.with_name("average.safetensors"))
        latents = encode_pool(autoencoder, self.objects[:NORMALIZED_ON], self.preset, self._generator(3))
        logger.info("latents before folding: mean %.3f, deviation %.3f", latents.mean(), latents.std())
        fold_normalization(autoencoder, latents)
        write_whole(path, autoencoder.state_dict())

    def train_denoiser(self) -> bool:
        """Train denoiser and image encoder on the trained autoencoder's latents; return whether all is done."""
        autoencoder = self.normalized_autoencoder()
        began = time.monotonic()
        latents = encode_pool(autoencoder, self.objects, self.preset, self._generator(4))
        logger.info("latents: deviation %.3f, encoded in %.1f s", latents.std(), time.monotonic() - began)
        began = time.monotonic()
        images = render_pool(self.objects, self.preset.image_size, self.preset.views, self._generator(5))
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        logger.info("%d images rendered in %.1f s", images.shape[0] * images.shape[1], time.monotonic() - began)
        set_seed(self.options.seed + 1)
        model = new_conditioned_denoiser(self.preset, self.options.image_encoder)
        if self.compiled:
            model.denoiser.compile_repeated_blocks(dynamic=False)
        settings = self.preset.denoiser_stage
        stage = Stage(self.accelerator, model, settings, self.options.out / "denoiser", self.options.seed)
        if self.options.resume:
            stage.resume()

        def evaluate() -> dict[str, float]:
            return denoiser_metrics(model, autoencoder, self.held_out, self.preset)

        learning = DenoiserLearning(latents, images, self.preset)
        return stage.run(learning, evaluate, self.deadline, self.options.stop_at)
