# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh's texture in another UV layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.projection import UVMesh, nearest_seeds, rasterize_uvs

MOST = 4096
"""Texels a side of a texture in another layout."""


@dataclass(frozen=True)
class Shown:
    """An image uint8 [H, W, 3] on the faces int64 [N], which read it at the UVs float32 [N, 3, 2]."""

    image: NDArray[np.uint8]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float32]


def shown_in(shown: Sequence[Shown], onto: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What all of a mesh's faces show, as one image in the layout `onto` [F, 3, 2]: a square [S, S, 3].

    Images are read bilinearly, beyond the borders repeated; between the islands it is what the nearest one shows.
    """
    side = min(max(max(part.image.shape[:2]) for part in shown), MOST)
    corners, faces = np.zeros((3 * len(onto), 3), np.float32), np.arange(3 * len(onto), dtype=np.int32).reshape(-1, 3)
    layout = UVMesh.of_corners(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (corners, faces, onto)))
    found = rasterize_uvs(layout, (side, side), layers=1)
    face, weights = found.face[0].flatten().long(), found.barycentric[0].reshape(-1, 3)
    colors = torch.zeros(side * side, 3, dtype=torch.uint8)
    for part in shown:
        place = torch.full((len(onto),), -1)
        place[torch.from_numpy(part.faces)] = torch.arange(len(part.faces))
        row = torch.where(face >= 0, place[face.clamp(min=0)], -1)
        texels = (row >= 0).nonzero()[:, 0]
        corner_uvs = torch.from_numpy(np.ascontiguousarray(part.uvs))[row[texels]]
        uvs = (weights[texels][:, :, None] * corner_uvs).sum(dim=1)
        colors[texels] = _read_bilinearly(torch.from_numpy(part.image), uvs)
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
