# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of held-out metrics, which the metrics command of every pipeline writes and its model card shows."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

logger = logging.getLogger(__name__)


def build_metrics_parser(weights: str) -> argparse.ArgumentParser:
    """Return the parser with the options of every metrics command; ``weights`` says in words what is measured."""
    parser = argparse.ArgumentParser(description=f"Held-out metrics of {weights}.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--seed", type=int, default=0, help="the training run's seed: held-out objects belong to it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def write_metrics(
    path: Path, settings: Mapping[str, object], summary: Mapping[str, float], rows: Sequence[Mapping[str, object]]
) -> None:
    """Write the settings, what was measured of every object, and its summary, which is logged too."""
    result = {"settings": settings, "threads": torch.get_num_threads(), "summary": summary, "rows": rows}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    logger.info("%s", json.dumps(summary, indent=1))
