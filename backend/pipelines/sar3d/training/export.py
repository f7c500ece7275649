# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's checkpoints to the float16 weights folder with its model card.

``python -m backend.pipelines.sar3d.training.export --run FOLDER --out FOLDER [--metrics metrics.json]``
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, Dinov2Model

from ....procedural.families import FAMILIES
from ....training.command import build_export_parser
from ....training.model_card import metrics_table, sizes_in_words
from ....training.vocabulary import read_vocabulary
from ..pipeline import Sar3dPipeline
from .captions import COLORS
from .learning import ConditionedTransformer, GridAutoencoder, new_image_model, new_text_model
from .presets import PRESETS, Preset
from .recipe import STAGES, TOKENIZER

logger = logging.getLogger(__name__)

UNTRAINED = {"embeddings.mask_token"}
"""Tensors of the encoders that have no part in the condition, so a run does not keep them."""

CARD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: text-to-3d
---

# SAR3D starter weights

Small weights of the SAR3D architecture, trained by Meshwright's own recipe on objects that Meshwright draws. They let
the whole product run on a fresh machine without a network or a GPU. They are an honest toy: they know {families} kinds
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


def build_pipeline(run: Path, preset: Preset) -> Sar3dPipeline:
    """The pipeline of a finished run, in float16. Raises ValueError when the run was trained with another preset."""
    autoencoder = GridAutoencoder(preset)
    autoencoder.load_state_dict(load_file(run / "autoencoder" / "average.safetensors"))
    tokenizer = read_vocabulary(run / TOKENIZER)
    text = _filled(new_text_model(preset, tokenizer), run / "text", CLIPTextModel)
    image = _filled(new_image_model(preset), run / "image", Dinov2Model)
    return Sar3dPipeline(
        autoencoder.decoder.half().eval(), tokenizer, text.encoder.half().eval(), text.transformer.half().eval(),
        image.encoder.half().eval(), image.transformer.half().eval(),
    )


def _filled(
    model: ConditionedTransformer, run: Path, encoder_class: type[CLIPTextModel] | type[Dinov2Model]
) -> ConditionedTransformer:
    """The model with a stage's averaged weights.

    The encoder goes through `from_pretrained`, because transformers renames tensors between versions and a run may
    come from another one.
    """
    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "transformer": {}}
    for name, tensor in load_file(run / "average.safetensors").items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    loaded: Any = encoder_class.from_pretrained(
        None, config=model.encoder.config, state_dict=parts["encoder"], output_loading_info=True
    )
    model.encoder, report = loaded
    strange = {name for names in report.values() for name in names} - UNTRAINED
    if strange:
        raise ValueError(f"{run} was trained with another preset: {sorted(map(str, strange))[:3]}")
    model.transformer.load_state_dict(parts["transformer"])
    return model


def model_card(pipeline: Sar3dPipeline, run: Path, options: argparse.Namespace) -> str:
    """The text of README.md."""
    preset = PRESETS[options.preset]
    networks: list[Any] = [pipeline.decoder, pipeline.text_encoder, pipeline.text_transformer, pipeline.image_encoder,
                           pipeline.image_transformer]
    steps = {name: json.loads((run / name / "state.json").read_text())["step"] for name in STAGES}
    encoders = ({key: sizes[key] for key in ("hidden_size", "num_hidden_layers")}
                for sizes in (preset.text_encoder, preset.image_encoder))
    return CARD.format(
        families=len(FAMILIES), names=", ".join(FAMILIES), colors=len(COLORS),
        decoder=sizes_in_words({key: preset.decoder[key] for key in ("width", "depth", "heads", "plane_channels")}),
        transformer=sizes_in_words({key: preset.transformer[key] for key in ("width", "heads")}),
        text_depth=preset.text_depth, image_depth=preset.image_depth,
        text_encoder=sizes_in_words(next(encoders)), image_encoder=sizes_in_words(next(encoders)),
        parameters=sum(parameter.numel() for network in networks for parameter in network.parameters()) / 1e6,
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
    (options.out / "README.md").write_text(model_card(pipeline, options.run, options), "utf-8")
    size = sum(path.stat().st_size for path in options.out.rglob("*.safetensors"))
    logger.info("%s: %.2f MB of weights", options.out, size / 1e6)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
