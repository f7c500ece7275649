# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes whose projections are known."""

import math

import torch
from torch import Tensor

from backend.geometry.projection import UVMesh

RIG = [(0.0, float(azimuth)) for azimuth in range(0, 360, 45)] + [(30.0, 0.0), (30.0, 180.0)]


def quad(x: tuple[float, float] = (-0.5, 0.5), y: tuple[float, float] = (-0.5, 0.5), z: float = 0.0) -> UVMesh:
    """A rectangle that faces +Z; its chart is the whole texture."""
    corners = torch.tensor([[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]])
    uvs = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return UVMesh.of(corners, faces, uvs, faces)


def joined(*meshes: UVMesh) -> UVMesh:
    vertex_offset, uv_offset, faces, face_uvs = 0, 0, [], []
    for mesh in meshes:
        faces.append(mesh.faces + vertex_offset)
        face_uvs.append(mesh.face_uvs + uv_offset)
        vertex_offset, uv_offset = vertex_offset + len(mesh.vertices), uv_offset + len(mesh.uvs)
    vertices, uvs = torch.cat([mesh.vertices for mesh in meshes]), torch.cat([mesh.uvs for mesh in meshes])
    return UVMesh.of(vertices, torch.cat(faces), uvs, torch.cat(face_uvs))


def globe(radius: float = 0.8, rows: int = 40, columns: int = 80) -> UVMesh:
    """A sphere around the origin with exact normals, u along its longitude, v along its latitude."""
    v, u = torch.meshgrid(torch.linspace(0, 1, rows + 1), torch.linspace(0, 1, columns + 1), indexing="ij")
    latitude, longitude = (v - 0.5) * math.pi, (u - 0.5) * 2 * math.pi
    ring = latitude.cos()
    normals = torch.stack([ring * longitude.sin(), latitude.sin(), ring * longitude.cos()], dim=-1).reshape(-1, 3)
    uvs = torch.stack([u, v], dim=-1).reshape(-1, 2)
    faces = grid_faces(rows, columns)
    return UVMesh.of(radius * normals, faces, uvs, faces, normals)


def grid_faces(rows: int, columns: int) -> Tensor:
    first = torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)
    right, above, across = first + 1, first + columns + 1, first + columns + 2
    lower, upper = torch.stack([first, right, across], dim=-1), torch.stack([first, across, above], dim=-1)
    return torch.stack([lower, upper], dim=2).reshape(-1, 3)
