# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's checkpoints to the float16 weights folder with its model card.

``python -m backend.pipelines.sar3d.training.export --run FOLDER --out FOLDER [--metrics metrics.json]``
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ....procedural.families import FAMILIES
from ....training.command import build_export_parser, exit_status
from ....training.exported import averaged_parts, filled_encoder, finish, millions, steps_done
from ....training.model_card import metrics_table, sizes_in_words
from ....training.vocabulary import read_vocabulary
from ..pipeline import Sar3dPipeline
from .captions import COLORS
from .learning import ConditionedTransformer, GridAutoencoder, new_image_model, new_text_model
from .presets import PRESETS, TrainingPreset
from .recipe import STAGES, TOKENIZER

UNTRAINED = {"embeddings.mask_token"}
"""Tensors of the encoders that have no part in the condition, so a run does not keep them."""

CARD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: text-to-3d
---

# SAR3D starter weights

Small weights of the SAR3D architecture, trained by Meshwright's own recipe on objects that Meshwright draws. They let
the whole product run on a fresh machine without a network or a GPU. They are a demo model and know {families} kinds
of simple object and {colors} colors, and nothing else. Use the published weights for anything real.

- **Networks**: decoder {decoder}; transformers {transformer}, {text_depth} blocks for prompts and {image_depth} for
  images; text encoder (CLIP's classes) {text_encoder}; image encoder (DINOv2's classes) {image_encoder}; all trained
  from scratch. {parameters:.2f} M parameters in all, float16.
- **Tokens**: scales of {sides} tokens along a side, {vocabulary} codes.
- **Data**: {objects} procedural objects of {families} families ({names}), random proportions and colors, {views}
  images each from within 60 degrees of the front and {prompts} prompts each; no data from elsewhere. Held-out objects
  have other seeds.
- **Recipe**: `python -m backend train sar3d --preset {preset} --seed {seed}`; steps: {steps}.
- **License**: the same as the code's, GPL-3.0-or-later.

## Held-out metrics

{metrics}

## Limits

Prompts are a color and one of the kinds; parts, materials and styles are ignored. Parts thinner than 0.1 of the cube's
half side, openings, text and anything outside of the families are beyond these weights. Hidden parts are guessed.
"""


def build_pipeline(run: Path, preset: TrainingPreset) -> Sar3dPipeline:
    """The pipeline of a finished run, in float16. Raises ValueError when the run was trained with another preset."""
    autoencoder = GridAutoencoder(preset)
    autoencoder.load_state_dict(load_file(run / "autoencoder" / "average.safetensors"))
    tokenizer = read_vocabulary(run / TOKENIZER)
    text = _filled(new_text_model(preset, tokenizer), run / "text")
    image = _filled(new_image_model(preset), run / "image")
    return Sar3dPipeline(
        autoencoder.decoder.half().eval(), tokenizer, text.encoder.half().eval(), text.transformer.half().eval(),
        image.encoder.half().eval(), image.transformer.half().eval(),
    )


def _filled(model: ConditionedTransformer, stage: Path) -> ConditionedTransformer:
    """The model with a stage's averaged weights."""
    parts = averaged_parts(stage)
    model.encoder = filled_encoder(model.encoder, parts["encoder"], UNTRAINED, stage)
    model.transformer.load_state_dict(parts["transformer"])
    return model


def model_card(pipeline: Sar3dPipeline, run: Path, options: argparse.Namespace) -> str:
    """The text of README.md."""
    preset = PRESETS[options.preset]
    networks: list[Any] = [pipeline.decoder, pipeline.text_encoder, pipeline.text_transformer, pipeline.image_encoder,
                           pipeline.image_transformer]
    steps = steps_done(run, STAGES)
    encoders = ({key: sizes[key] for key in ("hidden_size", "num_hidden_layers")}
                for sizes in (preset.text_encoder, preset.image_encoder))
    return CARD.format(
        families=len(FAMILIES), names=", ".join(FAMILIES), colors=len(COLORS),
        decoder=sizes_in_words({key: preset.decoder[key] for key in ("width", "depth", "heads", "plane_channels")}),
        transformer=sizes_in_words({key: preset.transformer[key] for key in ("width", "heads")}),
        text_depth=preset.text_depth, image_depth=preset.image_depth,
        text_encoder=sizes_in_words(next(encoders)), image_encoder=sizes_in_words(next(encoders)),
        parameters=millions(networks),
        sides=", ".join(map(str, preset.sides)), vocabulary=preset.decoder["vocabulary"], objects=preset.objects,
        views=preset.views, prompts=preset.prompts, preset=options.preset, seed=options.seed,
        steps=", ".join(f"{name} {count}" for name, count in steps.items()), metrics=metrics_table(options.metrics),
    )


def main(arguments: Sequence[str]) -> int:
    """Write the weights folder."""
    options = build_export_parser("pipeline folder", PRESETS).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = build_pipeline(options.run, PRESETS[options.preset])
    pipeline.save_pretrained(options.out, safe_serialization=True)
    finish(options.out, model_card(pipeline, options.run, options))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
