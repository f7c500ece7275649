# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a set of weights on held-out meshes, through the very pipeline that artists use.

``python -m backend.pipelines.hunyuan3d_paint.training.metrics --weights FOLDER --out metrics.json``
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from ....geometry.projection import UVMesh
from ....training.metrics_file import build_metrics_parser, write_metrics
from ..pipeline import Hunyuan3DPaintPipeline
from ..settings import PaintOutput, PaintSettings
from .evaluation import HUE_TOLERANCE
from .held_out import HeldOut
from .materials import hue_of

logger = logging.getLogger(__name__)


def metrics_of(output: PaintOutput, held_out: HeldOut, texture_size: int, mesh: UVMesh) -> dict[str, float]:
    """Share of the texels with the right hue, mean absolute errors of metallic and roughness."""
    color, metallic, roughness, covered = held_out.truth(mesh, texture_size)
    painted = output.textures[0][covered].cpu()
    difference = (hue_of(painted[:, :3])[0] - hue_of(color)[0]).abs()
    right = torch.minimum(difference, 1.0 - difference) <= HUE_TOLERANCE
    return {
        "hue_right": float(right.float().mean()),
        "metallic_error": float((painted[:, 3] - metallic).abs().mean()),
        "roughness_error": float((painted[:, 4] - roughness).abs().mean()),
    }


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The metrics of the model card."""
    values = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
    return {
        "objects": len(rows),
        "hue_right_mean": float(values["hue_right"].mean()),
        "hue_right_least": float(values["hue_right"].min()),
        "metallic_error": float(values["metallic_error"].mean()),
        "roughness_error": float(values["roughness_error"].mean()),
        "seconds_mean": float(values["seconds"].mean()),
        "seconds_largest": float(values["seconds"].max()),
    }


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command's options."""
    parser = build_metrics_parser("a set of paint weights, with an image of the views next to the file")
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--view-size", type=int, default=128)
    parser.add_argument("--texture-size", type=int, default=512)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every object and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = Hunyuan3DPaintPipeline.from_pretrained(options.weights).to(options.device)
    pipeline.set_progress_bar_config(disable=True)
    settings = PaintSettings(view_size=options.view_size, steps=options.steps, guidance=options.guidance,
                             texture_size=options.texture_size)
    rows, strips = [], []
    for number in range(options.objects):
        held_out = HeldOut.drawn(number, options.seed)
        began = time.perf_counter()
        with torch.inference_mode():
            scene = held_out.scene(settings.views, options.device)
            output = pipeline(scene, held_out.image, settings, seed=number)
        seconds = time.perf_counter() - began
        row = metrics_of(output, held_out, settings.texture_size, scene.mesh) | {"seconds": seconds}
        rows.append(row)
        strips.append(torch.cat(list(output.views.flatten(0, 1)), dim=1))
        logger.info("%3d %s", number, row)
    Image.fromarray(torch.cat(strips).cpu().numpy()).save(options.out.with_suffix(".jpg"))
    used = {"steps": settings.steps, "guidance": settings.guidance, "view": settings.view_size,
            "texture": settings.texture_size, "seed": options.seed, "device": options.device}
    write_metrics(options.out, used, summary(rows), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
