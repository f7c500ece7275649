# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's checkpoints to the float16 weights folder with its model card.

``python -m backend.pipelines.partpacker.training.export --run FOLDER --out FOLDER [--metrics metrics.json]``
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from ....procedural.families import FAMILIES
from ....training.command import build_export_parser, exit_status
from ....training.exported import fill_conditioned, finish, millions, steps_done
from ....training.model_card import metrics_table, sizes_in_words
from ....training.two_stage_run import AUTOENCODER, DENOISER, NORMALIZED, STAGES
from ...common.sampler import flow_scheduler
from ..pipeline import PartPackerPipeline
from .learning import new_autoencoder, new_conditioned_denoiser
from .presets import PRESETS, TrainingPreset

UNTRAINED = {"embeddings.mask_token", "layernorm.weight", "layernorm.bias"}
"""Tensors of the image encoder that have no part in the condition, so a run does not keep them."""

CARD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: image-to-3d
---

# PartPacker starter weights

Small weights of the PartPacker architecture, trained by Meshwright's own recipe on objects that Meshwright draws.
They let the whole product run on a fresh machine without a network or a GPU. They are a demo model and know
{families} kinds of simple object in an upright pose, seen from the front, and nothing else. Use the published
weights for images of real things.

- **Networks**: autoencoder {autoencoder}; denoiser {denoiser}; image encoder (DINOv2 classes, trained from scratch)
  {image_encoder}. {parameters:.2f} M parameters in all, float16.
- **Latent**: 2 x {tokens} tokens of {latent_width} numbers, mean 0 and deviation 1 in every channel (folded into the
  autoencoder's weights).
- **Data**: {objects} procedural objects of {families} families ({names}), random proportions and colors, {views}
  images each from within 60 degrees of the front; no data from elsewhere. Held-out objects have other seeds.
- **Recipe**: `python -m backend train partpacker --preset {preset} --seed {seed}`,
  {autoencoder_steps} autoencoder steps, {denoiser_steps} denoiser steps.
- **License**: the same as the code's, GPL-3.0-or-later.

## Held-out metrics

{metrics}

## Limits

Parts thinner than 0.08 of the cube's half side, openings, text, texture and anything outside of the families are
beyond these weights. Hidden parts are guessed. The front of the object must face the camera within 60 degrees.
"""


def build_pipeline(run: Path, preset: TrainingPreset, image_encoder: str | None = None) -> PartPackerPipeline:
    """Return the pipeline of a finished run, in float16."""
    model = new_conditioned_denoiser(preset, image_encoder)
    fill_conditioned(model, run / DENOISER, UNTRAINED)
    autoencoder = new_autoencoder(preset)
    autoencoder.load_state_dict(load_file(run / AUTOENCODER / NORMALIZED))
    return PartPackerPipeline(
        model.image_encoder.half().eval(),
        model.denoiser.half().eval(),
        autoencoder.half().eval(),
        flow_scheduler(),
        tokens_per_volume=preset.tokens_per_volume,
        image_size=preset.image_size,
    )


def model_card(pipeline: PartPackerPipeline, run: Path, options: argparse.Namespace) -> str:
    """Return the text of README.md."""
    preset = PRESETS[options.preset]
    steps = steps_done(run, STAGES)
    return CARD.format(
        families=len(FAMILIES),
        names=", ".join(FAMILIES),
        autoencoder=sizes_in_words(preset.autoencoder),
        denoiser=sizes_in_words(preset.denoiser),
        image_encoder=sizes_in_words({key: preset.image_encoder[key] for key in ("hidden_size", "num_hidden_layers")}),
        parameters=millions((pipeline.autoencoder, pipeline.denoiser, pipeline.image_encoder)),
        tokens=preset.tokens_per_volume,
        latent_width=preset.autoencoder["latent_width"],
        objects=preset.objects,
        views=preset.views,
        preset=options.preset,
        seed=options.seed,
        autoencoder_steps=steps[AUTOENCODER],
        denoiser_steps=steps[DENOISER],
        metrics=metrics_table(options.metrics),
    )


def main(arguments: Sequence[str]) -> int:
    """Write the weights folder."""
    parser = build_export_parser("pipeline folder", PRESETS)
    parser.add_argument("--image-encoder", help="the pretrained DINOv2 of the run, if it had one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = build_pipeline(options.run, PRESETS[options.preset], options.image_encoder)
    pipeline.save_pretrained(options.out, safe_serialization=True)
    finish(options.out, model_card(pipeline, options.run, options))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
