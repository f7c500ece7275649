# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's voxel indices as published: coarse levels count the background as a place on the object.

The product leaves the background out, as in training (docs/algorithms/hunyuan3d_paint.md, "Rotary positions").
"""

from torch import Tensor

from backend.pipelines.hunyuan3d_paint.rotary import voxel_indices


def published_voxel_indices(positions: Tensor, levels: dict[int, int]) -> dict[int, Tensor]:
    """Indices `[N * side**2, 3]` by side as the original's sampling has them, from the finest level on.

    The background is set to 0 in the maps themselves: from the second level on it counts as a place on the object.
    """
    indices = {}
    for side, resolution in sorted(levels.items(), reverse=True):
        indices[side] = voxel_indices(positions, side, resolution)
        positions = background_cleared(positions)
    return indices


def background_cleared(positions: Tensor) -> Tensor:
    """Position maps [N, R, R, 3] after a level was computed."""
    return positions.masked_fill((positions == 1.0).any(dim=-1, keepdim=True), 0.0)
