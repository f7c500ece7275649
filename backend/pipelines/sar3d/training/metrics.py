# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a weights folder on held-out prompts and images, through the very pipeline that artists use.

``python -m backend.pipelines.sar3d.training.metrics --weights FOLDER --out metrics.json``
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....procedural.cameras import random_cameras
from ....procedural.dataset import Split, draw_objects
from ....procedural.families import FAMILIES
from ....procedural.primitives import ObjectBatch
from ....procedural.rendering import render
from ....training.field_points import intersection_over_union
from ....training.metrics_file import build_metrics_parser, write_metrics
from ...common.image_preparation import recenter
from ..image_views import CENTERING, square_on_white
from ..model import StarterModel, with_flexicubes
from ..pipeline import Sar3dPipeline, SurfaceSettings
from ..triplane_decoder import TriplaneDecoder
from .captions import test_prompts
from .evaluation import HeldOut, decoded_inside, silhouette_matches

logger = logging.getLogger(__name__)

IMAGE_SIZE = 256


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the defaults are the starter weights' own."""
    parser = build_metrics_parser("a SAR3D weights folder")
    parser.add_argument("--objects", type=int, default=90)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--top-p", type=float, default=0.5)
    parser.add_argument("--grid", type=int, default=48, help="cells along a side of the grid that is compared")
    return parser


@torch.no_grad()
def generated(
    pipeline: Sar3dPipeline, decoder: TriplaneDecoder, given: dict[str, Any], seed: int, options: argparse.Namespace
) -> tuple[Tensor, float]:
    """Which cells of the grid are inside of one generated object, bool [1, G, G, G], and the seconds to its mesh.

    `decoder` is the one with the density field, whatever the pipeline extracts meshes with.
    """
    began = time.perf_counter()
    output = pipeline(**given, seeds=[seed], guidance_scale=options.guidance, top_k=options.top_k, top_p=options.top_p,
                      surface=SurfaceSettings(grid=StarterModel.grid))
    seconds = time.perf_counter() - began
    return decoded_inside(decoder, decoder.quantize.decode(output.tokens), options.grid), seconds


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every held-out prompt and image and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    density = Sar3dPipeline.from_pretrained(options.weights).place(options.device)
    flexicubes = with_flexicubes(density)
    objects = ObjectBatch.from_arrays(draw_objects(Split.HELD_OUT, options.objects, options.seed), options.device)
    held_out = HeldOut.of(objects, options.grid)
    camera_generator = torch.Generator(options.device).manual_seed(options.seed)
    texts, families = test_prompts(options.objects, options.seed)
    rows: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        made, seconds = generated(flexicubes, density.decoder, {"prompt": text}, number, options)
        right = bool(silhouette_matches(made, families[number : number + 1], held_out)[0])
        truth = objects[number : number + 1]
        with torch.no_grad():
            image = render(truth, random_cameras(truth, camera_generator), IMAGE_SIZE)[0].cpu().numpy()
        square = square_on_white(recenter(image, CENTERING))
        shown, image_seconds = generated(flexicubes, density.decoder, {"image": square}, number, options)
        overlap = float(intersection_over_union(shown.flatten(), held_out.inside[number].flatten()))
        rows.append({"prompt": text, "category_right": right, "family": list(FAMILIES)[int(truth.family[0])],
                     "iou": overlap, "prompt_seconds": seconds, "image_seconds": image_seconds})
        logger.info("%3d %s", number, rows[-1])
    summary = {
        "prompts": len(rows),
        "category_right": float(np.mean([row["category_right"] for row in rows])),
        "image_iou_mean": float(np.mean([row["iou"] for row in rows])),
        "image_iou_median": float(np.median([row["iou"] for row in rows])),
        "prompt_to_mesh_seconds": float(np.median([row["prompt_seconds"] for row in rows])),
        "image_to_mesh_seconds": float(np.median([row["image_seconds"] for row in rows])),
    }
    settings = {name: getattr(options, name) for name in ("guidance", "top_k", "top_p", "grid", "seed", "device")}
    write_metrics(options.out, settings, summary, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
