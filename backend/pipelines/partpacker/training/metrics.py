# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a weights folder on held-out objects, through the very pipeline that artists use.

``python -m backend.pipelines.partpacker.training.metrics --weights FOLDER --out metrics.json``
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

from ....procedural.cameras import random_cameras
from ....procedural.dataset import Split, draw_objects
from ....procedural.families import FAMILIES
from ....procedural.primitives import ObjectBatch, union_distance
from ....procedural.rendering import render
from ....training.metrics_file import build_metrics_parser, write_metrics
from ..parts import extract_parts
from ..pipeline import PartPackerPipeline

logger = logging.getLogger(__name__)

IMAGE_SIZE = 256
POINTS_AT_ONCE = 1 << 16


def truly_inside(volume: ObjectBatch, resolution: int) -> Tensor:
    """Return which corners of the field's grid lie inside the union of one object, bool [R + 1] * 3."""
    places = torch.linspace(-1.0, 1.0, resolution + 1, device=volume.center.device)
    points = torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1).reshape(1, -1, 3)
    inside = [union_distance(volume, part)[0] < 0 for part in points.split(POINTS_AT_ONCE, dim=1)]
    return torch.cat(inside).view(*[resolution + 1] * 3)


def metrics_of_one(
    pipeline: PartPackerPipeline, truth: ObjectBatch, image: np.ndarray, options: argparse.Namespace, seed: int
) -> dict[str, float | int | str]:
    """Generate one object and compare it with the truth (a batch of one)."""
    began = time.perf_counter()
    with torch.no_grad():
        condition = pipeline.encode_condition(pipeline.prepare_image(image))
        latent = pipeline.denoise(pipeline.prepare_latents(seed), condition, options.steps, options.guidance)
        grids = pipeline.evaluate_fields(pipeline.decode_volumes(latent), options.grid)
        parts = extract_parts(pipeline.extract_surfaces(grids))
    seconds = time.perf_counter() - began
    generated = (grids[0] > 0) | (grids[1] > 0)
    with torch.no_grad():
        true = truly_inside(truth, options.grid)
    return {
        "family": list(FAMILIES)[int(truth.family[0])],
        "iou_union": float((generated & true).sum() / (generated | true).sum()),
        "parts": len(parts),
        "true_parts": int(truth.part_count[0]),
        "watertight": sum(part.watertight for part in parts),
        "seconds": seconds,
    }


def summary(rows: list[dict]) -> dict[str, float | int]:
    """Return the metrics of the model card."""
    error = np.abs([row["parts"] - row["true_parts"] for row in rows])
    seconds = [row["seconds"] for row in rows]
    return {
        "objects": len(rows),
        "iou_union_mean": float(np.mean([row["iou_union"] for row in rows])),
        "iou_union_median": float(np.median([row["iou_union"] for row in rows])),
        "part_count_error_mean": float(error.mean()),
        "part_count_exact": float((error == 0).mean()),
        "part_count_within_one": float((error <= 1).mean()),
        "watertight_parts": sum(row["watertight"] for row in rows) / max(1, sum(row["parts"] for row in rows)),
        "seconds_mean": float(np.mean(seconds)),
        "seconds_largest": float(np.max(seconds)),
    }


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the defaults are the starter weights' own."""
    parser = build_metrics_parser("a PartPacker weights folder")
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--grid", type=int, default=128)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every held-out object and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = PartPackerPipeline.from_pretrained(options.weights).place(options.device)
    objects = ObjectBatch.from_arrays(draw_objects(Split.HELD_OUT, options.objects, options.seed), options.device)
    generator = torch.Generator(options.device).manual_seed(options.seed)
    rows = []
    for number in range(len(objects)):
        truth = objects[number : number + 1]
        with torch.no_grad():
            image = render(truth, random_cameras(truth, generator), IMAGE_SIZE)[0].cpu().numpy()
        rows.append(metrics_of_one(pipeline, truth, image, options, seed=number))
        logger.info("%3d %s", number, rows[-1])
    settings = {name: getattr(options, name) for name in ("steps", "guidance", "grid", "seed", "device")}
    write_metrics(options.out, settings, summary(rows), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
