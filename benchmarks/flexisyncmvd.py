# SPDX-License-Identifier: GPL-3.0-or-later
"""Times FlexiSyncMVD: `python -m benchmarks.flexisyncmvd --projector`.

The projector is timed on a drawn mesh of 100,352 triangles, 10 views of 1024² and a texture of 1024². Devices must
find the same faces and texels: `--save-results` on the CPU writes what it finds, `--compare-with` on a GPU compares,
and the exit code is 1 when they differ. Without a file the CPU of the same machine is asked.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import numpy as np
import torch

from .flexisyncmvd_projector import differences, projector_figures, projector_results

ROUNDED = ("position", "baked weight", "baked texture", "weight by texel", "texture by texel")
"""What devices may round differently."""
ROUNDING = 1e-4


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flexisyncmvd", description=__doc__.splitlines()[0])
    parser.add_argument("--projector", action="store_true", help="time the projector")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the fastest counts")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    parser.add_argument("--save-results", type=Path, metavar="OUT", help="write the projector's results (npz, 12 MB)")
    parser.add_argument("--compare-with", type=Path, metavar="FILE", help="compare with another device's results")
    arguments = parser.parse_args()
    if not arguments.projector:
        parser.error("say what to time: --projector")
    return arguments


def write_projector(figures: dict) -> None:
    sys.stdout.write(f"{figures['faces']} faces, {figures['views']} views of {figures['view size']}²\n")
    for name, milliseconds in figures["milliseconds"].items():
        sys.stdout.write(f"{name:44} {milliseconds:10.2f} ms\n")
    sys.stdout.write(f"{'rasterise and geometry':44} {figures['rasterise and geometry']:10.2f} ms\n")


def compare_projectors(device: torch.device, other: Path | None) -> dict[str, float]:
    """Differences of this device's results from the file's, or from the CPU's."""
    if other is None:
        expected = projector_results(torch.device("cpu"))
    else:
        with np.load(other, allow_pickle=False) as arrays:
            expected = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return differences(expected, projector_results(device))


def write_differences(found: dict[str, float]) -> bool:
    """Print them; whether the devices agree."""
    for name, difference in found.items():
        sys.stdout.write(f"difference of devices: {name:31} {difference:10.2g}\n")
    return all(value <= (ROUNDING if name in ROUNDED else 0) for name, value in found.items())


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
    write_projector(figures["projector"])
    agree = True
    if on_gpu or arguments.compare_with:
        figures["differences"] = compare_projectors(arguments.device, arguments.compare_with)
        agree = write_differences(figures["differences"])
    if arguments.save_results:
        results = projector_results(arguments.device)
        np.savez_compressed(arguments.save_results, **{name: result.numpy() for name, result in results.items()})
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
