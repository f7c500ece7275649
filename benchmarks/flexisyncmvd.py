# SPDX-License-Identifier: GPL-3.0-or-later
"""Times FlexiSyncMVD: `python -m benchmarks.flexisyncmvd --projector`.

The projector is timed on a drawn mesh of 100,352 triangles, 10 views of 1024² and a texture of 1024². On a GPU the same
is computed on the CPU too, and faces, texels and masks must be equal; the exit code is 1 when they are not.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import torch

from .flexisyncmvd_projector import projector_figures

ROUNDED = ("position", "baked weight", "baked texture")
"""What devices may round differently."""
ROUNDING = 1e-4


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flexisyncmvd", description=__doc__.splitlines()[0])
    parser.add_argument("--projector", action="store_true", help="time the projector")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the fastest counts")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    arguments = parser.parse_args()
    if not arguments.projector:
        parser.error("say what to time: --projector")
    return arguments


def write_projector(figures: dict) -> bool:
    """Print the table; whether the devices agree."""
    sys.stdout.write(f"{figures['faces']} faces, {figures['views']} views of {figures['view size']}²\n")
    for name, milliseconds in figures["milliseconds"].items():
        sys.stdout.write(f"{name:44} {milliseconds:10.2f} ms\n")
    sys.stdout.write(f"{'rasterise and geometry':44} {figures['rasterise and geometry']:10.2f} ms\n")
    differences = figures.get("differences from the CPU", {})
    for name, difference in differences.items():
        sys.stdout.write(f"CPU and GPU: {name:31} {difference:10.2g}\n")
    return all(value <= (ROUNDING if name in ROUNDED else 0) for name, value in differences.items())


@torch.no_grad()
def main() -> int:
    arguments = parse_arguments()
    on_gpu = arguments.device.type == "cuda"
    figures = {
        "device": torch.cuda.get_device_name(arguments.device) if on_gpu else platform.processor() or "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "projector": projector_figures(arguments.device, arguments.repeats),
    }
    sys.stdout.write(f"{figures['device']}, torch {figures['torch']}, {figures['threads']} threads\n")
    agree = write_projector(figures["projector"])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
