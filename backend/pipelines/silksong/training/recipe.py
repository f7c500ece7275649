# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, networks, one stage."""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from ....contract import BadInput
from ....procedural.dataset import Split
from ....training.command import build_run_parser, run_stages, with_options
from ....training.recipe_run import RecipeRun
from ..checkpoint import PUBLISHED_FILE, load_published
from ..pipeline import SilksongPipeline
from ..point_encoder import SilksongConditioner
from ..transformer import SilksongTransformer
from .evaluation import HeldOut, held_out_metrics
from .initialization import begin_informed
from .learning import SilksongLearner, SilksongLearning
from .pool import Pool, Source, fingerprint, make_pool
from .presets import PRESETS, TrainingPreset
from .sources import DrawnObjects, TurnedMeshes, read_meshes

logger = logging.getLogger(__name__)

STAGE = "silksong"
HELD_OUT_SHARE, MOST_HELD_OUT = 10, 32
"""Of a folder's meshes every tenth part is held out, at most 32 and at least one: the last ones by name."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    description = "Train Mesh Silksong's networks on drawn low-poly objects or on a folder of low-poly meshes."
    parser = build_run_parser("silksong", description, PRESETS)
    parser.add_argument("--steps", type=int, help="length of the training and of its schedule")
    parser.add_argument("--rate", type=float, help="peak learning rate, in place of the preset's")
    parser.add_argument("--meshes", type=Path, metavar="FOLDER", help="learn from the mesh files in this folder")
    parser.add_argument("--from", type=Path, metavar="FOLDER", dest="weights",
                        help="fine-tune these weights: exported ones, or the folder of the published ones")
    return parser


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_stages([Run(options, effective_preset(options)).train])


def effective_preset(options: argparse.Namespace) -> TrainingPreset:
    """Return the preset with the options that replace some of its values."""
    preset = with_options(PRESETS[options.preset], options, {"stage": options.steps})
    return replace(preset, stage=replace(preset.stage, rate=options.rate or preset.stage.rate))


def new_networks(preset: TrainingPreset) -> tuple[SilksongConditioner, SilksongTransformer]:
    """Return untrained networks."""
    conditioner, transformer = SilksongConditioner(**preset.conditioner), SilksongTransformer(**preset.transformer)
    if transformer.config.embedding_width:
        begin_informed(conditioner, transformer)
    return conditioner, transformer


def trained_networks(folder: Path) -> tuple[SilksongConditioner, SilksongTransformer]:
    """Return the networks of exported or published weights, in float32, to go on training. Raises BadInput."""
    if (folder / PUBLISHED_FILE).is_file():
        pipeline = load_published(folder, torch.float32, "cpu")
    elif (folder / DiffusionPipeline.config_name).is_file():
        pipeline = SilksongPipeline.from_pretrained(folder)
    else:
        raise BadInput(f"{folder} holds no weights to begin from.",
                       f"There is neither {DiffusionPipeline.config_name} nor {PUBLISHED_FILE}.",
                       "Give the folder that the export wrote, or the one with the published weights.")
    networks = pipeline.conditioner, pipeline.transformer
    for network in networks:
        network.requires_grad_(True).train()
    return networks


class Run(RecipeRun):
    """One call of the command: the data, the networks and the stage that trains them."""

    preset: TrainingPreset

    def __init__(self, options: argparse.Namespace, preset: TrainingPreset) -> None:
        super().__init__(options, preset)
        networks = trained_networks(options.weights) if options.weights else new_networks(self.preset)
        self.learner = SilksongLearner(*networks)
        most = min(self.preset.rule.most_tokens, self.learner.transformer.config.max_tokens - 1)
        self.preset = replace(self.preset, rule=replace(self.preset.rule, most_tokens=most))
        meshes = read_meshes(options.meshes) if options.meshes else ()
        held_out = min(max(len(meshes) // HELD_OUT_SHARE, 1), MOST_HELD_OUT)
        self.meshes, self.held_out_meshes = meshes[:-held_out] or meshes, meshes[-held_out:]
        if len(meshes) == 1:
            logger.warning("the only mesh is trained on and held out: the evaluation says nothing about others")

    def source(self) -> Source:
        """Where the training objects come from."""
        if self.meshes:
            return TurnedMeshes(self.meshes, self.options.seed)
        return DrawnObjects(Split.TRAINING, self.options.seed)

    def pool(self) -> Pool:
        """The tokenized objects: from the file of an earlier call, or made now by the first process of all."""
        path = self.options.out / "pool.safetensors"
        preset, options = self.preset, self.options
        made_from = fingerprint(options.seed, preset.objects, preset.rule, preset.smallest_side,
                                [(len(mesh.vertices), mesh.vertices.sum()) for mesh in self.meshes])
        with self.accelerator.main_process_first():
            pool, began = Pool.load(path, made_from), time.monotonic()
            if pool is None:
                pool = make_pool(self.source(), preset.objects, preset, options.seed)
                pool.save(path, made_from)
                logger.info("%d objects tokenized in %.1f s", len(pool), time.monotonic() - began)
        logger.info("%d objects, %.0f tokens each", len(pool), len(pool.tokens) / len(pool))
        return pool

    @cached_property
    def held_out(self) -> HeldOut:
        """The objects of the evaluations, made when the first one comes."""
        count, rule = self.preset.evaluation_objects, self.preset.rule
        if self.held_out_meshes:
            return HeldOut.of(self.held_out_meshes, count, rule, dense=False)
        return HeldOut.of(map(DrawnObjects(Split.HELD_OUT, self.options.seed), itertools.count()), count, rule, True)

    def train(self) -> bool:
        """Train; return whether the last step is done."""
        pool, settings = self.pool(), self.preset.stage
        stage = self.stage(STAGE, self.learner, settings)
        learning = SilksongLearning(pool, self.preset, self.device, lambda: stage.step / settings.steps)
        return self.run(stage, learning, lambda: held_out_metrics(self.learner, self.held_out))
