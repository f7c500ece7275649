# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras around the origin, orthographic or perspective (docs/algorithms/flexisyncmvd.md, section 2).

World: right-handed, +Y up, the object's front toward +Z; azimuth 90 stands at +X. Row vectors: ``p_view = p @ R + T``.
In view space x points to the LEFT of the image, y up, z away from the camera. Normalized device coordinates (NDC) are
the view's x and y scaled so that [-1, 1] spans the image's shorter side; depth is the view's z, a length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

DISTANCE = 4.0
"""Distance of the camera's center from the origin (docs/algorithms/flexisyncmvd.md, section 2)."""
NEAR, FAR = 1.0, 100.0
"""Planes of the projection matrix. Nothing is cut at them."""


@dataclass(frozen=True)
class Cameras:
    """V cameras of one kind.

    Attributes:
        rotation: float32 [V, 3, 3], columns are the view's axes in the world.
        translation: float32 [V, 3].
        centers: float32 [V, 3], the cameras' positions.
        scale: NDC per unit of the view's plane (orthographic), or per unit of slope (perspective).
        perspective: whether NDC is divided by depth.
    """

    rotation: Tensor
    translation: Tensor
    centers: Tensor
    scale: float = 1.0
    perspective: bool = False

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> Cameras:
        """Some of the cameras, in that order."""
        return replace(
            self,
            rotation=self.rotation[index],
            translation=self.translation[index],
            centers=self.centers[index],
        )

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return replace(
            self,
            rotation=self.rotation.to(device),
            translation=self.translation.to(device),
            centers=self.centers.to(device),
        )

    def to_view(self, points: Tensor) -> Tensor:
        """Return world points float32 [N, 3] in every camera's view space, [V, N, 3].

        Written out term by term: a matrix product sums in another order, or in lower precision, on each device.
        """
        x, y, z = points[None, :, 0:1], points[None, :, 1:2], points[None, :, 2:3]
        rotation = self.rotation[:, None]
        return x * rotation[:, :, 0] + y * rotation[:, :, 1] + z * rotation[:, :, 2] + self.translation[:, None]

    def to_screen(self, points: Tensor) -> Tensor:
        """Return world points float32 [N, 3] as NDC x, NDC y and depth, [V, N, 3].

        Points at or behind a perspective camera's center get NDC without meaning; rasterizing leaves out their faces.
        """
        view = self.to_view(points)
        plane, depth = view[..., :2] * self.scale, view[..., 2:]
        return torch.cat([plane / depth if self.perspective else plane, depth], dim=-1)

    def full_projection(self) -> Tensor:
        """Return the matrices float32 [V, 4, 4] from homogeneous world row vectors to clip space, depth in [0, 1]."""
        world_to_view = torch.eye(4).repeat(len(self), 1, 1)
        world_to_view[:, :3, :3] = self.rotation.cpu()
        world_to_view[:, 3, :3] = self.translation.cpu()
        projection = torch.zeros(4, 4)
        projection[0, 0] = projection[1, 1] = self.scale
        if self.perspective:
            projection[2, 2], projection[3, 2] = FAR / (FAR - NEAR), -FAR * NEAR / (FAR - NEAR)
            projection[2, 3] = 1.0
        else:
            projection[2, 2], projection[3, 2] = 1.0 / (FAR - NEAR), -NEAR / (FAR - NEAR)
            projection[3, 3] = 1.0
        return (world_to_view @ projection).to(self.rotation.device)


def orbit_cameras(
    poses: Sequence[tuple[float, float]],
    *,
    distance: float = DISTANCE,
    half_width: float = 1.0,
    field_of_view: float | None = None,
    device: torch.device | str = "cpu",
) -> Cameras:
    """Return cameras that look at the origin, one for each pose, in that order.

    Args:
        poses: (elevation, azimuth) in degrees.
        distance: of the centers from the origin.
        half_width: half the shorter side of an orthographic image, in world units.
        field_of_view: of the image's shorter side in degrees, for perspective cameras; None for orthographic ones.
        device: where the tensors lie. They are computed on the CPU, so that every device has the same.
    """
    angles = torch.tensor(list(poses), dtype=torch.float32).reshape(-1, 2) * (math.pi / 180.0)
    elevation, azimuth = angles.unbind(1)
    centers = distance * torch.stack(
        [elevation.cos() * azimuth.sin(), elevation.sin(), elevation.cos() * azimuth.cos()], dim=1
    )
    rotation = _looking_at_origin(centers)
    scale = 1.0 / half_width if field_of_view is None else 1.0 / math.tan(math.radians(field_of_view) / 2.0)
    translation = -torch.einsum("vi,vij->vj", centers, rotation)
    return Cameras(rotation, translation, centers, scale, field_of_view is not None).to(device)


def _looking_at_origin(centers: Tensor) -> Tensor:
    up = torch.tensor([0.0, 1.0, 0.0]).expand_as(centers)
    z = _unit(-centers)
    x = _unit(torch.linalg.cross(up, z))
    y = _unit(torch.linalg.cross(z, x))
    straight = torch.isclose(x, torch.zeros(()), atol=5e-3).all(dim=1, keepdim=True)
    x = torch.where(straight, _unit(torch.linalg.cross(y, z)), x)
    return torch.stack([x, y, z], dim=2)


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, eps=1e-5)
