# SPDX-License-Identifier: GPL-3.0-or-later
"""Dense versions of low-poly objects, as scans and sculpts are: thousands of faces, uneven, smoothed or not."""

from __future__ import annotations

import numpy as np
import trimesh

from ..contract import MeshData
from ..geometry.trimesh_conversion import from_trimesh, to_trimesh

FEWEST_FACES = 4000
NOISE = 0.003
"""Standard deviation of the vertices' displacement along their normals, relative to the bounding box's diagonal."""
SMOOTHING_STEPS = 6


def densified(mesh: MeshData, seed: int, smooth: bool = False) -> MeshData:
    """Split every face in four until there are at least 4,000, displace the vertices, and with ``smooth`` even it out.

    Smoothing is Taubin's, which keeps the volume. The surface stays as closed as it was.
    """
    shape = to_trimesh(mesh)
    while len(shape.faces) < FEWEST_FACES:
        shape = shape.subdivide()
    displacement = NOISE * mesh.diagonal * np.random.default_rng(seed).standard_normal((len(shape.vertices), 1))
    shape.vertices = shape.vertices + displacement * shape.vertex_normals
    if smooth:
        trimesh.smoothing.filter_taubin(shape, iterations=SMOOTHING_STEPS)
    return from_trimesh(shape)
