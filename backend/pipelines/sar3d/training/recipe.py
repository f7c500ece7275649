# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that trains: options, data, the three stages one after the other."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from accelerate.utils import set_seed
from safetensors.torch import load_file
from torch import Tensor

from ....procedural.cameras import random_cameras
from ....procedural.dataset import Split
from ....procedural.rendering import on_white, render
from ....training.command import build_run_parser, chosen_stages, preset_of, run_stages
from ....training.field_points import intersection_over_union
from ....training.recipe_run import RecipeRun
from ....training.schedule import StageSettings
from ....training.vocabulary import read_vocabulary, write_vocabulary
from .captions import every_prompt, prompts_of, test_prompts
from .evaluation import HeldOut, autoencoder_metrics, generate, silhouette_matches
from .learning import (
    AutoencoderLearning,
    ConditionedTransformer,
    GridAutoencoder,
    TransformerLearning,
    encode_pool,
    new_image_model,
    new_text_model,
    prompt_ids,
)
from .pool import render_pool
from .presets import PRESETS, TrainingPreset

logger = logging.getLogger(__name__)

STAGES = ("autoencoder", "text", "image")
TOKENIZER = "tokenizer"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the training command's options."""
    return build_run_parser("sar3d", "Train SAR3D's starter networks on procedural objects.", PRESETS, STAGES)


def train(arguments: Sequence[str]) -> int:
    """Run the training command; return its exit status."""
    options = build_parser().parse_args(arguments)
    run = Run(options, preset_of(options, PRESETS, STAGES))
    stages = {"autoencoder": run.train_autoencoder, "text": run.train_text, "image": run.train_image}
    return run_stages(chosen_stages(options, stages))


class Run(RecipeRun):
    """One call of the command: the objects of this process and the stages that learn from them."""

    preset: TrainingPreset

    def __init__(self, options: argparse.Namespace, preset: TrainingPreset) -> None:
        super().__init__(options, preset)
        self.objects = self.own_objects()

    @cached_property
    def held_out(self) -> HeldOut:
        """The objects of the evaluations, made when the first one comes."""
        return HeldOut.of(self.drawn(Split.HELD_OUT, self.preset.evaluation_objects), self.preset.evaluation_grid)

    def train_autoencoder(self) -> bool:
        """Train the autoencoder; return whether its last step is done."""
        autoencoder = GridAutoencoder(self.preset)
        stage = self.stage("autoencoder", autoencoder, self.preset.autoencoder_stage)
        return self.run(stage, AutoencoderLearning(self.objects, self.preset),
                        lambda: autoencoder_metrics(autoencoder, self.held_out, self.preset))

    @cached_property
    def autoencoder(self) -> GridAutoencoder:
        """The trained autoencoder, for the transformers to learn from."""
        autoencoder = GridAutoencoder(self.preset)
        autoencoder.load_state_dict(load_file(self.options.out / "autoencoder" / "average.safetensors"))
        return autoencoder.to(self.device).eval().requires_grad_(False)

    @cached_property
    def tokens(self) -> Tensor:
        """The tokens of all objects."""
        began = time.monotonic()
        tokens = encode_pool(self.autoencoder, self.objects, self.preset)
        logger.info("%d objects encoded in %.1f s", len(tokens), time.monotonic() - began)
        return tokens

    def train_text(self) -> bool:
        """Train text encoder and transformer on the objects' prompts; return whether all is done."""
        folder = self.options.out / TOKENIZER
        if self.accelerator.is_main_process:
            write_vocabulary(folder, every_prompt())
        self.accelerator.wait_for_everyone()
        tokenizer, length = read_vocabulary(folder), self.preset.text_encoder["max_position_embeddings"]
        prompts = prompts_of(self.objects, self.preset.prompts, self.options.seed)
        flat = prompt_ids(tokenizer, [prompt for own in prompts for prompt in own], length)
        given = flat.view(len(prompts), -1, length).to(self.device)
        nothing = prompt_ids(tokenizer, [""], length)[0].to(self.device)
        set_seed(self.options.seed + 1)
        model = new_text_model(self.preset, tokenizer)
        texts, families = test_prompts(self.preset.evaluation_objects, self.options.seed)
        asked = prompt_ids(tokenizer, texts, length).to(self.device)

        def evaluate() -> dict[str, float]:
            made = generate(model, self.autoencoder.decoder, asked, nothing, self.preset)
            right = silhouette_matches(made, families, self.held_out)
            return {"category_right": float(right.float().mean())}

        return self._train_transformer("text", model, self.preset.text_stage, given, nothing, evaluate)

    def train_image(self) -> bool:
        """Train image encoder and transformer on rendered images; return whether all is done."""
        began, size = time.monotonic(), self.preset.image_size
        given = render_pool(self.objects, size, self.preset.views, self.generator(5))
        logger.info("%d images rendered in %.1f s", given.shape[0] * given.shape[1], time.monotonic() - began)
        nothing = torch.full((3, size, size), 255, dtype=torch.uint8, device=self.device)
        set_seed(self.options.seed + 2)
        model = new_image_model(self.preset)
        objects = self.held_out.objects
        shown = on_white(render(objects, random_cameras(objects, self.generator(6)), size))

        def evaluate() -> dict[str, float]:
            made = generate(model, self.autoencoder.decoder, shown, nothing, self.preset)
            overlap = intersection_over_union(made.flatten(1), self.held_out.inside.flatten(1))
            return {"iou": float(overlap.mean()), "iou_median": float(overlap.median())}

        return self._train_transformer("image", model, self.preset.image_stage, given, nothing, evaluate)

    def _train_transformer(
        self, name: str, model: ConditionedTransformer, settings: StageSettings, given: Tensor, nothing: Tensor,
        evaluate: Callable[[], dict[str, float]],
    ) -> bool:
        quantizer = self.autoencoder.decoder.quantize
        learning = TransformerLearning(self.tokens, given, nothing, quantizer, settings.batch)
        return self.run(self.stage(name, model, settings), learning, evaluate)
