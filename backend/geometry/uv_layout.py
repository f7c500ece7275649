# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates of a mesh: what keeps them from being painted on, and a new layout by xatlas (SPEC 2.20)."""

from __future__ import annotations

import numpy as np
import torch
import xatlas
from numpy.typing import NDArray

from .projection import UVMesh, uv_coverage, wrap_uvs

MOST_OVERLAP = 0.02
"""Share of the used texels that several faces may share: thin margins between islands."""
RESOLUTION, PADDING = 1024, 4
"""Texels of a new layout and between its islands."""


def uv_fault(vertices: NDArray[np.floating], faces: NDArray[np.integer], uvs: NDArray[np.floating]) -> str:
    """Why a texture of the mesh's own cannot be painted on these UVs [F, 3, 2], as a sentence; "" where it can.

    Whole tiles do not matter: every face may lie in a tile of its own.
    """
    if not np.isfinite(uvs).all() or np.ptp(uvs.reshape(-1, 2), axis=0).max() <= 0:
        return "All of its UVs are at one point."
    each = torch.arange(3 * len(faces)).view(-1, 3)
    coverage = uv_coverage(wrap_uvs(UVMesh.of(torch.from_numpy(vertices), torch.from_numpy(faces),
                                              torch.from_numpy(uvs).reshape(-1, 2), each)))
    if coverage.outside:
        return f"{coverage.outside:.1%} of its faces reach across the border of the texture."
    if coverage.overlapping > MOST_OVERLAP:
        return f"Its UVs overlap on {coverage.overlapping:.0%} of the texture, where faces would share one colour."
    return ""


def new_layout(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """Texture coordinates float32 [F, 3, 2] in the unit square of every face's corners, v up, no two islands over
    each other, all at one scale.
    """
    atlas = xatlas.Atlas()
    atlas.add_mesh(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding = RESOLUTION, PADDING
    atlas.generate(pack_options=packing)
    _, corners, uvs = atlas[0]
    # They come as shares of width and height, which differ.
    size = np.array([atlas.width, atlas.height], np.float32)
    return (uvs * (size / size.max()))[corners].astype(np.float32)
