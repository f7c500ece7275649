# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh's texture in another UV layout."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.projection import UVMesh, nearest_seeds, rasterize_uvs

MOST = 4096
"""Texels a side of a texture in another layout."""


def carried_over(
    texture: NDArray[np.uint8], uvs: NDArray[np.float32], onto: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The image [H, W, 3] of faces with these UVs [F, 3, 2] as it is in the layout `onto` [F, 3, 2]: a square.

    It is read bilinearly, beyond the borders repeated; between the islands it is what the nearest one shows.
    """
    side = min(max(texture.shape[:2]), MOST)
    corners, faces = np.zeros((3 * len(uvs), 3), np.float32), np.arange(3 * len(uvs), dtype=np.int32).reshape(-1, 3)
    layout = UVMesh.of_corners(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (corners, faces, onto)))
    found = rasterize_uvs(layout, (side, side), layers=1)
    face, weights = found.face[0].flatten().long(), found.barycentric[0].reshape(-1, 3)
    shown = torch.from_numpy(np.ascontiguousarray(uvs))[face.clamp(min=0)]
    colors = _read_bilinearly(torch.from_numpy(texture), (weights[:, :, None] * shown).sum(dim=1))
    nearest = nearest_seeds((face >= 0).view(side, side)).flatten().clamp(min=0).long()
    return colors[nearest].view(side, side, 3).numpy()


def _read_bilinearly(texture: torch.Tensor, uvs: torch.Tensor) -> torch.Tensor:
    """Colors uint8 [N, 3] at coordinates [N, 2], v up, of an image [H, W, 3] that repeats."""
    height, width = texture.shape[:2]
    across, down = uvs[:, 0] * width - 0.5, (1 - uvs[:, 1]) * height - 0.5
    left, top = across.floor(), down.floor()
    mixed = torch.zeros(len(uvs), 3)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - (down - top - row).abs()) * (1 - (across - left - column).abs())
        places = (top.long() + row) % height, (left.long() + column) % width
        mixed += weight[:, None] * texture[places].float()
    return mixed.round().clamp(0, 255).to(torch.uint8)
