# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's checkpoints to the float16 weights folder with its model card.

``python -m backend.pipelines.flexisyncmvd.training.export --run FOLDER --out FOLDER [--metrics metrics.json]``
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from ....procedural.families import FAMILIES
from ....training.command import build_export_parser, exit_status
from ....training.exported import finish, millions, steps_done
from ....training.model_card import metrics_table, sizes_in_words
from ....training.two_stage_run import AUTOENCODER, DENOISER, NORMALIZED, STAGES
from ....training.vocabulary import read_vocabulary
from ..checkpoint.plan import BASE, CONTROLNETS
from ..schedule import ddpm_scheduler
from .captions import MATERIALS
from .color_kinds import COLORS
from .networks import new_autoencoder, new_denoiser
from .presets import PRESETS, TrainingPreset
from .recipe import TOKENIZER

CARD = """---
license: gpl-3.0
library_name: diffusers
---

# FlexiSyncMVD starter weights

Small weights in the form of Stable Diffusion 1.5 with a ControlNet for depth, trained by Meshwright's own recipe on
objects that Meshwright draws. They let Texture run on a fresh machine without a network or a GPU. They are a demo model
and know {colors} colors and {materials} materials, and paint an object in one of them all over. Use the
published weights, or a checkpoint of your own, for real work.

- **Networks**, all in the stock classes: VAE {autoencoder}; UNet {unet}; ControlNet like the UNet's encoder; text
  encoder {text_encoder} with a vocabulary of {tokens} tokens. {parameters:.2f} M parameters in all, float16. The UNet
  predicts {prediction}.
- **Latent**: 4 numbers for each 8 x 8 pixels, mean 0 and deviation 1 in every channel (folded into the VAE's weights),
  scaling factor 1.
- **Data**: {objects} procedural objects of {families} families ({family_names}), one view of {size} x {size} pixels
  each, cast by Meshwright's own rays from the rig's cameras and from between them, each painted {paintings} times in
  one of the colors ({color_names}) and materials ({material_names}); captions of color, material, object and side;
  no data from elsewhere. Held-out objects have other seeds.
- **Recipe**: `python -m backend train flexisyncmvd --preset {preset} --seed {seed}`, {autoencoder_steps} VAE steps of
  {autoencoder_batch} images, {denoiser_steps} steps of {denoiser_batch} for the rest.
- **License**: the same as the code's, GPL-3.0-or-later.

## Held-out metrics

Held-out objects as meshes, unwrapped, textured by prompts such as "a red wooden chair" with the defaults of this set.
*Color share*: texels, of all that the mesh uses, whose color is of the asked kind (hue; for white, grey and black
saturation and value). *Difference*: mean absolute difference, of 1, between what a view shows at a texel and the mean
of all views that show it: *together* as textured, *alone* with every view painted by itself. The recipe looks at the
same held-out objects while it trains, for its curves, and the sizes of the norms' groups and the learning rates were
chosen by short runs' curves; steps, guidance and the size of the views were chosen on objects of another seed, by eye
and by these metrics.

{metrics}

{prompts}

## Limits

Other words than the colors, the materials and the objects have no effect that is meant. Two colors in a prompt mix or
one of them is lost. Patterns are soft, at some hundred pixels across the object.
"""


def load_into(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a network's weights by name; transformers' outer ``text_model.`` came and went between versions.

    Raises RuntimeError when the run was trained with another preset.
    """
    outer = "text_model."
    own = {name.replace(outer, ""): name for name in network.state_dict()}
    network.load_state_dict({own.get(name.replace(outer, ""), name): value for name, value in tensors.items()})


def write_set(run: Path, preset: TrainingPreset, out: Path) -> float:
    """Write the set of weights of a finished run, in float16; return its millions of parameters."""
    tokenizer = read_vocabulary(run / TOKENIZER)
    autoencoder, denoiser = new_autoencoder(preset), new_denoiser(preset, tokenizer)
    autoencoder.load_state_dict(load_file(run / AUTOENCODER / NORMALIZED))
    load_into(denoiser, load_file(run / DENOISER / "average.safetensors"))
    base = out / BASE
    networks = {
        base / "vae": autoencoder, base / "unet": denoiser.unet, base / "text_encoder": denoiser.text_encoder,
        out / CONTROLNETS / "depth": denoiser.controlnet,
    }
    for folder, network in networks.items():
        network.half().eval().save_pretrained(folder, safe_serialization=True)
    ddpm_scheduler(preset.prediction_type).save_pretrained(base / "scheduler")
    shutil.copytree(run / TOKENIZER, base / "tokenizer", dirs_exist_ok=True)
    index = {
        "_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None], "feature_extractor": [None, None],
    }
    (base / "model_index.json").write_text(json.dumps(index, indent=1), "utf-8")
    return millions(networks.values())


def prompts_table(path: Path | None) -> str:
    """Return the Markdown table of every prompt in a metrics file."""
    if path is None:
        return ""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    lines = [f"| {row['prompt']} | {row['color_share']:.1%} | {row['difference_together']:.3f} | "
             f"{row['difference_alone']:.3f} |" for row in rows]
    head = ["| prompt | color share | difference together | alone |", "|---|---|---|---|"]
    return "\n".join([*head, *lines])


def model_card(parameters: float, options: argparse.Namespace) -> str:
    """Return the text of README.md."""
    preset, run = PRESETS[options.preset], options.run
    steps = steps_done(run, STAGES)
    return CARD.format(
        colors=len(COLORS), color_names=", ".join(COLORS),
        materials=len(MATERIALS), material_names=", ".join(MATERIALS),
        families=len(FAMILIES), family_names=", ".join(FAMILIES),
        autoencoder=f"of widths {preset.autoencoder['block_out_channels']}",
        unet=f"of widths {preset.unet['block_out_channels']}",
        text_encoder=sizes_in_words(preset.text_encoder),
        tokens=len(read_vocabulary(run / TOKENIZER)),
        parameters=parameters,
        prediction={"v_prediction": "v", "epsilon": "the noise"}[preset.prediction_type],
        objects=options.objects or preset.objects, size=preset.image_size, paintings=preset.paintings,
        preset=options.preset, seed=options.seed,
        autoencoder_steps=steps[AUTOENCODER], autoencoder_batch=preset.autoencoder_stage.batch,
        denoiser_steps=steps[DENOISER], denoiser_batch=preset.denoiser_stage.batch,
        metrics=metrics_table(options.metrics), prompts=prompts_table(options.metrics),
    )


def main(arguments: Sequence[str]) -> int:
    """Write the weights folder."""
    parser = build_export_parser("set of weights", PRESETS)
    parser.add_argument("--objects", type=int, help="as the run had it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parameters = write_set(options.run, PRESETS[options.preset], options.out)
    finish(options.out, model_card(parameters, options))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
