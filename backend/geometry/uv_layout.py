# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates of a mesh: what keeps them from being painted on, and a new layout by xatlas.

See docs/algorithms/flexisyncmvd.md, section 3.
"""

from __future__ import annotations

import numpy as np
import torch
import xatlas
from numpy.typing import NDArray

from ..contract import BadInput
from .projection import MOST_OVERLAP, UVMesh, uv_coverage, wrap_uvs

SIZE = 1000.0
"""Of the mesh while it is laid out: xatlas takes faces of an area below 1e-7 for none."""
RESOLUTION, PADDING = 1024, 4
"""Texels of a new layout and between its islands."""
FEW_FACES = 10_000
"""Of a mesh that is laid out within moments, so that nothing needs to be reported before."""
MOST_FACES = 200_000
"""Of a mesh that is laid out. xatlas took 12, 70, 104 and 183 seconds of one core for bumpy balls of 39,000, 99,000,
149,000 and 199,000, so its time grows faster than their number; and it does not stop when it is asked to."""


def uv_fault(vertices: NDArray[np.floating], faces: NDArray[np.integer], uvs: NDArray[np.floating]) -> str:
    """Why a texture of the mesh's own cannot be painted on these UVs [F, 3, 2], as a sentence; "" where it can.

    Whole tiles do not matter: every face may lie in a tile of its own.
    """
    if not np.isfinite(uvs).all() or np.ptp(uvs.reshape(-1, 2), axis=0).max() <= 0:
        return "All of its UVs are at one point."
    coverage = uv_coverage(wrap_uvs(UVMesh.of_corners(*map(torch.from_numpy, (vertices, faces, uvs)))))
    if coverage.outside:
        return f"{coverage.outside:.1%} of its faces reach across the border of the texture."
    if coverage.overlapping > MOST_OVERLAP:
        return f"Its UVs overlap on {coverage.overlapping:.0%} of the texture, where faces would share one color."
    return ""


def new_layout(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """Texture coordinates float32 [F, 3, 2] in the unit square of every face's corners, v up, no two islands over
    each other, all at one scale. Raises BadInput for a mesh without surface, and for one of more than `MOST_FACES`.
    """
    if len(faces) > MOST_FACES:
        raise BadInput(f"No UVs can be made for a mesh of {len(faces):,} faces.",
                       f"At most {MOST_FACES:,} are laid out here.",
                       "Unwrap it first (in Blender: UV > Smart UV Project), or decimate it.")
    extent = max(float(np.ptp(vertices, axis=0).max()), float(np.finfo(np.float32).tiny))
    placed = (vertices - vertices.min(axis=0)) * (SIZE / extent)
    atlas = xatlas.Atlas()
    atlas.add_mesh(np.ascontiguousarray(placed, np.float32), np.ascontiguousarray(faces, np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding = RESOLUTION, PADDING
    atlas.generate(pack_options=packing)
    if not (atlas.width and atlas.height):
        raise BadInput("No UVs can be made for the mesh.", "It has no surface: all of its faces have zero area.",
                       "Choose another mesh.")
    _, corners, uvs = atlas[0]
    # They come as shares of width and height, which differ.
    size = np.array([atlas.width, atlas.height], np.float32)
    return (uvs * (size / size.max()))[corners].astype(np.float32)
