# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the distances of the quality card: `python -m benchmarks.deviation`.

A slightly rough torus against its decimation to 2 000 faces. Processor seconds, so that other programs do not count.
"""

import sys
import time

import numpy as np
import trimesh

from backend.contract import MeshData
from backend.geometry.deviation import deviations
from backend.geometry.simplification import decimate

SECTIONS = (50, 160, 500, 707)
FACES = 2000
ROUGHNESS = 5e-4


def rough_torus(sections: int) -> MeshData:
    """A torus of 4 sections^2 faces whose vertices are off by `ROUGHNESS`."""
    torus = trimesh.creation.torus(1, 0.3, major_sections=2 * sections, minor_sections=sections)
    noise = np.random.default_rng(0).normal(scale=ROUGHNESS, size=torus.vertices.shape)
    return MeshData(torus.vertices + noise, torus.faces)


def main() -> int:
    """The command line."""
    reduced = decimate(rough_torus(100), FACES)
    deviations(reduced, [reduced], 1000)  # compiles the kernel
    for sections in SECTIONS:
        original = rough_torus(sections)
        for variants in (1, 4):
            begin = time.process_time()
            found = deviations(original, [reduced] * variants)[0]
            seconds = time.process_time() - begin
            sys.stdout.write(
                f"{len(original.faces):>9,} faces, {variants} variants: {seconds:5.2f} s; "
                f"mean {100 * found.mean:.4f} % (error {100 * found.mean_error:.5f}), "
                f"Hausdorff {100 * found.hausdorff:.3f} % (too small by {100 * found.largest_error:.2f} at the most)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
