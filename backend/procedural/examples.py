# SPDX-License-Identifier: GPL-3.0-or-later
"""The images in ``examples/``: objects no training sees. ``python -m backend.procedural.examples --out examples``"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from .assembly import stack
from .cameras import frame, place_cameras
from .dataset import Split, object_at
from .primitives import ObjectBatch
from .rendering import render

logger = logging.getLogger(__name__)

CHOSEN = {"chair": 5, "teapot": 5, "rocket": 4, "robot": 5}
"""Which object of the examples' split stands for a family."""
AZIMUTH, ELEVATION, DISTANCE = 32.0, 20.0, 7.0
FILLED = 0.86


def render_example(family: str, number: int, size: int, device: str) -> Image.Image:
    """Return the image of one object on a transparent background, RGBA."""
    batch = ObjectBatch.from_arrays(stack([object_at(Split.EXAMPLES, number, family=family)]), device)
    angles = (torch.tensor([value], device=device) for value in (AZIMUTH, ELEVATION, DISTANCE))
    cameras = frame(batch, *place_cameras(*angles), torch.Generator(device).manual_seed(0), FILLED)
    with torch.no_grad():
        return Image.fromarray(render(batch, cameras, size, supersampling=2)[0].cpu().numpy())


def main(arguments: Sequence[str]) -> int:
    """Write one PNG per chosen object."""
    parser = argparse.ArgumentParser(description="Render the images in examples/.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    for family, number in CHOSEN.items():
        path = options.out / f"{family}.png"
        render_example(family, number, options.size, options.device).save(path, optimize=True)
        logger.info("%s", path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
