# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a weights folder on held-out objects, through the very pipeline that artists use.

``python -m backend.pipelines.hunyuan3d_shape.training.metrics --weights FOLDER --out metrics.json``
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....geometry.components import is_watertight
from ....procedural.dataset import Split, draw_objects
from ....procedural.families import FAMILIES
from ....procedural.primitives import ObjectBatch
from ....procedural.rendering import render
from ....training.command import exit_status
from ....training.metrics_file import build_metrics_parser, write_metrics
from ..image_condition import VIEWS
from ..pipeline import HALF_SIDE, HunyuanShapePipeline
from .pool import distance, view_cameras

logger = logging.getLogger(__name__)

IMAGE_SIZE = 256
POINTS_AT_ONCE = 1 << 16


@torch.no_grad()
def truly_inside(truth: ObjectBatch, resolution: int) -> Tensor:
    """Return which corners of the field's grid lie inside one object, bool [R + 1] * 3."""
    places = HALF_SIDE * torch.linspace(-1.0, 1.0, resolution + 1, device=truth.center.device)
    points = torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1).reshape(1, -1, 3)
    inside = [distance(truth, part)[0] < 0 for part in points.split(POINTS_AT_ONCE, dim=1)]
    return torch.cat(inside).view(*[resolution + 1] * 3)


def metrics_of_one(
    pipeline: HunyuanShapePipeline, truth: ObjectBatch, views: dict[str, np.ndarray], options: argparse.Namespace,
    seed: int,
) -> dict[str, float | int | str]:
    """Generate one object and compare it with the truth (a batch of one)."""
    began = time.perf_counter()
    with torch.no_grad():
        condition = pipeline.encode_condition(pipeline.prepare_views(views), pipeline.view_numbers(views))
        latent = pipeline.denoise(pipeline.prepare_latents(seed), condition, options.steps, options.guidance)
        grid = pipeline.evaluate_field(pipeline.decode(latent), options.grid, options.decoding)
        mesh = pipeline.extract_surface(grid)
    seconds = time.perf_counter() - began
    generated, true = grid > 0, truly_inside(truth, options.grid)
    return {
        "family": list(FAMILIES)[int(truth.family[0])],
        "iou": float((generated & true).sum() / (generated | true).sum()),
        "watertight": int(is_watertight(mesh)),
        "faces": len(mesh.faces),
        "seconds": seconds,
    }


def summary(rows: list[dict]) -> dict[str, float | int]:
    """Return the metrics of the model card."""
    overlap, seconds = [row["iou"] for row in rows], [row["seconds"] for row in rows]
    return {
        "objects": len(rows),
        "iou_mean": float(np.mean(overlap)),
        "iou_median": float(np.median(overlap)),
        "iou_worst": float(np.min(overlap)),
        "watertight": float(np.mean([row["watertight"] for row in rows])),
        "seconds_mean": float(np.mean(seconds)),
        "seconds_largest": float(np.max(seconds)),
    }


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the defaults are the starter weights' own."""
    parser = build_metrics_parser("a Hunyuan3D shape weights folder")
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--views", type=int, default=1, choices=range(1, 5), help="views given of each object")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--grid", type=int, default=128)
    parser.add_argument("--decoding", default="hierarchical")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every held-out object and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = HunyuanShapePipeline.from_pretrained(options.weights).place(options.device)
    objects = ObjectBatch.from_arrays(draw_objects(Split.HELD_OUT, options.objects, options.seed), options.device)
    generator = torch.Generator(options.device).manual_seed(options.seed)
    rows = []
    for number in range(len(objects)):
        truth = objects[number : number + 1]
        with torch.no_grad():
            cameras = view_cameras(truth, options.views, generator)
            images = [render(truth, camera, IMAGE_SIZE)[0].cpu().numpy() for camera in cameras]
        views = dict(zip(VIEWS, images, strict=False))
        rows.append(metrics_of_one(pipeline, truth, views, options, seed=number))
        logger.info("%3d %s", number, rows[-1])
    names = ("views", "steps", "guidance", "grid", "decoding", "seed", "device")
    write_metrics(options.out, {name: getattr(options, name) for name in names}, summary(rows), rows)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
