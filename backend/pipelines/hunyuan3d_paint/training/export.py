# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a run's weights as a float16 pipeline folder with its model card.

``python -m backend.pipelines.hunyuan3d_paint.training.export --run RUN --out backend/weights/starter/hunyuan3d_paint``
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
from ....training.exported import finish, millions, steps_done
from ....training.model_card import metrics_table
from ....training.two_stage_run import AUTOENCODER, DENOISER, NORMALIZED, STAGES
from ..pipeline import Hunyuan3DPaintPipeline
from ..sampling import paint_scheduler
from .evaluation import HUE_TOLERANCE
from .networks import new_autoencoder, new_denoiser
from .presets import PRESETS, TrainingPreset

CARD = """---
license: gpl-3.0
library_name: diffusers
---

# Hunyuan3D paint starter weights

Small weights in the form of Hunyuan3D-2.1's paint model, trained by Meshwright's own recipe on objects that Meshwright
draws. They let Paint run on a fresh machine without a network or a GPU. They are a demo model and know objects of
one material, or of one below and another above. Use the published weights for real work.

- **Networks**, all in the published classes at a small size: autoencoder of widths {autoencoder}; painting and
  reference network of widths {unet}; image encoder of width {encoder}. {parameters:.2f} M parameters in all, float16.
  No upscaler: views are baked as they are.
- **Latent**: 4 numbers for each 8 x 8 pixels, mean 0 and deviation 1 in every channel (folded into the autoencoder's
  weights), scaling factor 1.
- **Data**: {objects} procedural objects of {families} families, six views of {size} x {size} pixels each, cast by
  Meshwright's own rays, painted {paintings} times with base colors of any hue, metals and others, rough and smooth; the
  image is the front, lit from two sides. No data from elsewhere. Held-out objects have other seeds.
- **Recipe**: `python -m backend train hunyuan3d_paint --preset {preset} --seed {seed}`, {autoencoder_steps} steps of
  the autoencoder of {autoencoder_batch} images, {denoiser_steps} steps of {denoiser_batch} objects for the rest.
- **License**: the same as the code's, GPL-3.0-or-later.

## Held-out metrics

Held-out objects as meshes, unwrapped, painted after a lit image of their front. *Hue right*: share of the texels whose
hue is within {degrees:.0f} degrees of the true one, whether a view shows them or not. *Metallic error*, *roughness
error*: mean absolute difference, of 1.

{metrics}

## Limits

Patterns, text and more than two materials are not known. Roughness shows in highlights only.
"""


def write_pipeline(run: Path, preset: TrainingPreset, out: Path) -> float:
    """Write the pipeline of a finished run, in float16; return its millions of parameters."""
    autoencoder, denoiser = new_autoencoder(preset), new_denoiser(preset)
    autoencoder.load_state_dict(load_file(run / AUTOENCODER / NORMALIZED))
    trained = load_file(run / DENOISER / "average.safetensors")
    denoiser.load_state_dict(denoiser.state_dict() | trained)  # what was not trained has no effect
    networks = [module.half().eval() for module in (autoencoder, denoiser)]
    pipeline = Hunyuan3DPaintPipeline(
        denoiser.image_encoder, autoencoder, denoiser.reference_unet, denoiser.unet, paint_scheduler()
    )
    pipeline.save_pretrained(out, safe_serialization=True)
    return millions(networks)


def model_card(parameters: float, options: argparse.Namespace) -> str:
    """The text of README.md."""
    preset, run = PRESETS[options.preset], options.run
    steps = steps_done(run, STAGES)
    return CARD.format(
        autoencoder=preset.autoencoder["block_out_channels"], unet=preset.unet["block_out_channels"],
        encoder=preset.image_encoder["hidden_size"], parameters=parameters, families=len(FAMILIES),
        objects=options.objects or preset.objects, size=preset.view_size, paintings=preset.paintings,
        preset=options.preset, seed=options.seed, degrees=360 * HUE_TOLERANCE,
        autoencoder_steps=steps[AUTOENCODER], autoencoder_batch=preset.autoencoder_stage.batch,
        denoiser_steps=steps[DENOISER], denoiser_batch=preset.denoiser_stage.batch,
        metrics=metrics_table(options.metrics),
    )


def main(arguments: Sequence[str]) -> int:
    """Write the weights folder."""
    parser = build_export_parser("pipeline folder", PRESETS)
    parser.add_argument("--objects", type=int, help="as the run had it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parameters = write_pipeline(options.run, PRESETS[options.preset], options.out)
    finish(options.out, model_card(parameters, options))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
