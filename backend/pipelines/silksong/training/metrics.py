# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a weights folder on held-out objects, each remeshed by itself as artists do.

``python -m backend.pipelines.silksong.training.metrics --weights FOLDER --out metrics.json``
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import time
from collections.abc import Sequence

import numpy as np

from ....contract import MeshData
from ....geometry.deviation import deviations
from ....procedural.dataset import Split
from ....training.metrics_file import build_metrics_parser, write_metrics
from ..pipeline import SilksongPipeline
from ..tokenizer import decode
from .cleaning import CleaningRule
from .evaluation import HeldOut, metrics_of_one, summary
from .presets import PRESETS
from .sources import DrawnObjects

logger = logging.getLogger(__name__)


def exact_distance(surface: MeshData, decoded: MeshData) -> float:
    """Symmetric mean distance by closest points, as the quality card has it."""
    return deviations(surface, [decoded])[0].mean


def metrics_of_object(
    pipeline: SilksongPipeline, held_out: HeldOut, number: int, options: argparse.Namespace
) -> dict[str, float]:
    """Remesh one object; its metrics and the seconds that it took, sampling of points excluded."""
    began = time.perf_counter()
    sequence = pipeline(points=held_out.points[number], temperature=options.temperature, seed=options.seed)[0]
    decode(sequence)
    seconds = time.perf_counter() - began
    return {**metrics_of_one(sequence, held_out, number, pipeline.max_tokens, exact_distance), "seconds": seconds}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the defaults are the starter weights' own."""
    parser = build_metrics_parser("a Mesh Silksong weights folder")
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.5)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every held-out object and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = SilksongPipeline.from_pretrained(options.weights).place(options.device)
    rule: CleaningRule = PRESETS["starter"].rule
    objects = map(DrawnObjects(Split.HELD_OUT, options.seed), itertools.count())
    held_out = HeldOut.of(objects, options.objects, rule, dense=True)
    rows = []
    for number in range(len(held_out.tokens)):
        rows.append(metrics_of_object(pipeline, held_out, number, options))
        logger.info("%3d %s", number, {name: round(value, 4) for name, value in rows[-1].items()})
    seconds = [row["seconds"] for row in rows]
    metrics = {**summary(rows), "seconds_mean": float(np.mean(seconds)), "seconds_largest": float(np.max(seconds))}
    settings = {name: getattr(options, name) for name in ("temperature", "seed", "device")}
    write_metrics(options.out, settings, metrics, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
