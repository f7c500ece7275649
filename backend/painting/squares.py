# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh whose UVs lie in a strip of square textures, taken apart into one mesh for each square."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..geometry.projection import UVMesh


def square_of_faces(mesh: UVMesh, squares: int) -> Tensor:
    """Which square of the strip each face lies in, from the left, int64 `[F]`."""
    return (mesh.corner_uvs()[..., 0].mean(dim=1) * squares).long().clamp(0, squares - 1)


def square_mesh(mesh: UVMesh, squares: int, number: int) -> UVMesh:
    """The faces of one square, with UVs in that square alone."""
    own = square_of_faces(mesh, squares) == number
    uvs = torch.stack([mesh.uvs[:, 0] * squares - number, mesh.uvs[:, 1]], dim=1)
    return replace(mesh, faces=mesh.faces[own], face_uvs=mesh.face_uvs[own], uvs=uvs)
