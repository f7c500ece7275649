# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's checkpoint to the float16 weights folder with its model card.

``python -m backend.pipelines.silksong.training.export --run FOLDER --out FOLDER [--metrics metrics.json]``
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from ....procedural.low_poly_families import FAMILIES
from ....procedural.low_poly_solids import SOLIDS
from ....training.command import build_export_parser, exit_status
from ....training.exported import finish, millions, steps_done
from ....training.model_card import metrics_table, sizes_in_words
from ..pipeline import SilksongPipeline
from .learning import SilksongLearner
from .presets import PRESETS, TrainingPreset
from .recipe import STAGE, new_networks, trained_networks

CARD = """---
license: gpl-3.0
library_name: diffusers
---

# Mesh Silksong starter weights

Small weights of the Mesh Silksong architecture, trained by Meshwright's own recipe on low-poly objects that Meshwright
draws. They let Remesh run on a fresh machine without a network or a GPU. They are a demo model and know simple
solids and things made of a few of them, and generate at most {most_tokens} tokens, some 400 faces. Use the published
weights for real work.

- **Networks**: conditioner {conditioner}; transformer {transformer}. {parameters:.2f} M parameters in all, float16. The
  table of tokens is narrow and serves the logits too; the published network has two full ones.
- **Data**: {objects} drawn objects ({solids}; {families}; piles and groups of solids), random proportions, every one at
  a random turn, tokenized and {points} points with normals each, half of them with noise; no data from elsewhere.
  Held-out objects have other seeds.
- **Recipe**: `python -m backend train silksong --preset {preset} --seed {seed}`, {steps} steps of {batch} objects.
- **License**: the same as the code's, GPL-3.0-or-later.

## Held-out metrics

Every object is given as a dense mesh: split until it has 4,000 faces or more, its vertices displaced by noise of 0.3 %
of the diagonal, every other one smoothed. *Ended*: the share of sequences that ended of themselves, with 64 tokens
or more to spare. *Intact*: without anything to salvage. *Closed*: every edge has two faces, after the small repair that
Remesh makes too (of 200 drawn objects' own tokens, 188 come back closed). *Distance*: symmetric mean
distance to the dense mesh, in its diagonals. *Face ratio*: generated triangles to those of the low-poly object that the
dense mesh was made from. *Components exact*: as many components as that object has. *Seconds*: from points to mesh.

{metrics}

## Limits

What is not built of blocks, turned and extruded solids is remeshed roughly or wrongly. Details below a fiftieth of the
longest side are lost. Objects must stand upright. A face count cannot be asked for.
"""


def build_pipeline(run: Path, preset: TrainingPreset, weights: Path | None = None) -> SilksongPipeline:
    """Return the pipeline of a run from the average of its weights, in float16.

    ``weights`` is what the run fine-tuned, if it did.
    """
    learner = SilksongLearner(*(trained_networks(weights) if weights else new_networks(preset)))
    learner.load_state_dict(load_file(run / STAGE / "average.safetensors"))
    return SilksongPipeline(learner.conditioner.half().eval(), learner.transformer.half().eval())


def model_card(pipeline: SilksongPipeline, options: argparse.Namespace) -> str:
    """Return the text of README.md."""
    preset = PRESETS[options.preset]
    with safe_open(options.run / "pool.safetensors", "pt") as file:
        objects = file.get_slice("token_starts").get_shape()[0] - 1
    return CARD.format(
        most_tokens=pipeline.max_tokens,
        conditioner=sizes_in_words(preset.conditioner),
        transformer=sizes_in_words(preset.transformer),
        parameters=millions((pipeline.conditioner, pipeline.transformer)),
        objects=objects,
        solids=", ".join(SOLIDS),
        families=", ".join(FAMILIES),
        points=preset.points,
        preset=options.preset,
        seed=options.seed,
        steps=steps_done(options.run, [STAGE])[STAGE],
        batch=preset.stage.batch,
        metrics=metrics_table(options.metrics),
    )


def main(arguments: Sequence[str]) -> int:
    """Write the weights folder."""
    parser = build_export_parser("pipeline folder", PRESETS)
    parser.add_argument("--from", type=Path, dest="weights", help="the weights that the run fine-tuned, if it did")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = build_pipeline(options.run, PRESETS[options.preset], options.weights)
    pipeline.save_pretrained(options.out, safe_serialization=True)
    finish(options.out, model_card(pipeline, options))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
