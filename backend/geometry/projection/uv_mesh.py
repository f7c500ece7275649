# SPDX-License-Identifier: GPL-3.0-or-later
"""A triangle mesh with texture coordinates on a torch device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class UVMesh:
    """Triangles with their own indices into positions and into texture coordinates.

    Attributes:
        vertices: float32 [N, 3], world frame of the cameras.
        faces: int32 [F, 3], counter-clockwise seen from outside.
        uvs: float32 [M, 2], u to the right, v up.
        face_uvs: int32 [F, 3], the corners' indices into ``uvs``.
        normals: float32 [N, 3], unit; `area_weighted_normals` of the faces.
    """

    vertices: Tensor
    faces: Tensor
    uvs: Tensor
    face_uvs: Tensor
    normals: Tensor

    @classmethod
    def of(
        cls, vertices: Tensor, faces: Tensor, uvs: Tensor, face_uvs: Tensor, normals: Tensor | None = None
    ) -> UVMesh:
        """Take tensors of any float and integer type; without normals they are computed."""
        vertices, faces = vertices.float(), faces.int()
        normals = area_weighted_normals(vertices, faces) if normals is None else normals.float()
        return cls(*(part.contiguous() for part in (vertices, faces, uvs.float(), face_uvs.int(), normals)))

    @classmethod
    def of_corners(cls, vertices: Tensor, faces: Tensor, corner_uvs: Tensor) -> UVMesh:
        """Take texture coordinates of every face's corners, [F, 3, 2]."""
        each = torch.arange(3 * len(faces), device=corner_uvs.device).view(-1, 3)
        return cls.of(vertices, faces, corner_uvs.reshape(-1, 2), each)

    @property
    def device(self) -> torch.device:
        """Where all of its tensors are."""
        return self.vertices.device

    def to(self, device: torch.device | str) -> UVMesh:
        """The same mesh on another device."""
        return UVMesh(*(part.to(device) for part in (self.vertices, self.faces, self.uvs, self.face_uvs, self.normals)))

    def with_uvs(self, uvs: Tensor, face_uvs: Tensor | None = None) -> UVMesh:
        """The same surface with other texture coordinates."""
        return replace(self, uvs=uvs, face_uvs=self.face_uvs if face_uvs is None else face_uvs)

    def corner_uvs(self) -> Tensor:
        """Texture coordinates of every face's corners, float32 [F, 3, 2]."""
        return self.uvs[self.face_uvs.long()]


def area_weighted_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Return unit vertex normals float32 [N, 3], each the sum of its faces' normals times their areas.

    See docs/algorithms/flexisyncmvd.md, section 2.

    Summed on the CPU, where the order of the sum is always the same.
    """
    positions, corners = vertices.cpu().double(), faces.cpu().long()
    a, b, c = positions[corners].unbind(1)
    area_vectors = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(positions)
    for corner in corners.unbind(1):
        sums.index_add_(0, corner, area_vectors)
    return torch.nn.functional.normalize(sums, eps=1e-6).float().to(vertices.device)
