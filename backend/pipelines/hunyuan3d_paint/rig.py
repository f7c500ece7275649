# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras of the painted views, and which of them a mesh needs (docs/algorithms/hunyuan3d_paint.md, "Views").

World: right-handed, +Y up, the object's front toward +Z. The object lies in a sphere of `RADIUS` around the origin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...geometry.projection import Cameras

RADIUS = 0.575
HALF_WIDTH = 0.6
"""Of the orthographic images, in world units."""
DISTANCE = 1.45
ALWAYS = 6
"""The first candidates are painted for every mesh."""
LEAST_GAIN = 0.01
"""Share of the surface that a further view must show for the first time."""


@dataclass(frozen=True)
class Pose:
    """Degrees above the horizon and around from the front (90 sees +X), and how much the view counts in the texture."""

    elevation: float
    azimuth: float
    weight: float


CANDIDATES = (
    Pose(0, 0, 1.0), Pose(0, 90, 0.1), Pose(0, 180, 0.5), Pose(0, 270, 0.1), Pose(90, 0, 0.05), Pose(-90, 180, 0.05),
    *(Pose(elevation, azimuth, 0.01) for azimuth in range(0, 360, 30) for elevation in (20, -20)),
)


def paint_cameras(poses: Sequence[Pose]) -> Cameras:
    """One orthographic camera for each pose, on the CPU.

    In float64: straight above, what the cosine of 90 degrees leaves decides which way is up (away from the azimuth).
    """
    angles = np.radians([(pose.elevation, pose.azimuth) for pose in poses])
    elevation, azimuth = angles[:, 0], angles[:, 1]
    away = np.stack([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], 1)
    look = -away / np.linalg.norm(away, axis=1, keepdims=True)
    right = np.cross(look, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    rotation = np.stack([-right, np.cross(right, look), look], axis=2)
    centers = DISTANCE * away
    translation = -np.einsum("vi,vij->vj", centers, rotation)
    tensors = [torch.from_numpy(part).float() for part in (rotation, translation, centers)]
    return Cameras(tensors[0], tensors[1], tensors[2], scale=1.0 / HALF_WIDTH)


def select_views(seen: Tensor, areas: Tensor, most: int) -> list[int]:
    """Candidates to paint, as indices: the first six, then whichever shows most of the surface for the first time.

    Args:
        seen: bool `[V, F]`, the faces that each candidate shows.
        areas: `[F]`, of the faces.
        most: how many views may be taken in all, at least six. Fewer are where further ones would show little.
    """
    shares = (areas / areas.sum()).float()
    chosen = list(range(ALWAYS))
    known = seen[:ALWAYS].any(dim=0)
    while len(chosen) < most:
        gains = (seen & ~known).float() @ shares
        gains[chosen] = 0.0
        best = int(gains.argmax())
        if gains[best] <= LEAST_GAIN:
            break
        chosen.append(best)
        known = known | seen[best]
    return chosen
