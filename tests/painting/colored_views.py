# SPDX-License-Identifier: GPL-3.0-or-later
"""A torus and a box with a lid in views that agree: their colors are a smooth function of the place in space."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from torch import Tensor

from backend.geometry.projection import Cameras, Fragments, UVMesh, orbit_cameras, rasterize_uvs, rasterize_views
from backend.geometry.uv_layout import new_layout

POSES = ((0.0, 0.0), (0.0, 90.0), (0.0, 180.0), (0.0, 270.0), (89.0, 0.0), (-89.0, 0.0))


def space_color(position: Tensor, frequency: float = 3.0) -> Tensor:
    """Colors of places [..., 3], in [0, 1]."""
    directions = torch.tensor([[1.0, 0.3, 0.7], [-0.5, 1.0, 0.4], [0.6, -0.8, 1.0]]) * frequency
    return 0.5 + 0.45 * torch.sin(position @ directions.T + torch.tensor([0.0, 1.0, 2.0]))


def laid_out(mesh: trimesh.Trimesh) -> UVMesh:
    """The mesh with UVs of its own, in the unit sphere."""
    vertices = mesh.vertices - mesh.bounds.mean(axis=0)
    vertices = (vertices / np.linalg.norm(vertices, axis=1).max() * 0.95).astype(np.float32)
    faces = mesh.faces.astype(np.int32)
    return UVMesh.of_corners(*map(torch.from_numpy, (vertices, faces, new_layout(vertices, faces))))


def torus() -> UVMesh:
    return laid_out(trimesh.creation.torus(1.0, 0.45, major_sections=24, minor_sections=12))


def table() -> UVMesh:
    """A slab on a block: much of it no view sees."""
    slab = trimesh.creation.box((2.0, 0.2, 2.0), trimesh.transformations.translation_matrix((0, 0.8, 0)))
    block = trimesh.creation.box((0.5, 1.4, 0.5))
    return laid_out(trimesh.util.concatenate([slab, block]))


@dataclass(frozen=True)
class Colored:
    """A mesh, what its views show, and what each texel should be."""

    mesh: UVMesh
    cameras: Cameras
    shown: Fragments
    images: Tensor
    layout: Fragments
    truth: Tensor

    @classmethod
    def of(cls, mesh: UVMesh, pixels: int, texels: int, poses: Sequence[tuple[float, float]] = POSES) -> "Colored":
        cameras = orbit_cameras(list(poses))
        shown = rasterize_views(mesh, cameras, pixels, cull=False)
        layout = rasterize_uvs(mesh, (texels, texels), layers=1)
        images = torch.where(shown.mask[..., None], space_color(positions(mesh, shown)), 1.0)
        return cls(mesh, cameras, shown, images, layout, space_color(positions(mesh, layout))[0])

    @property
    def covered(self) -> Tensor:
        return self.layout.face[0] >= 0


def positions(mesh: UVMesh, fragments: Fragments) -> Tensor:
    corners = mesh.vertices[mesh.faces.long()[fragments.face.clamp(min=0).long()]]
    return (corners * fragments.barycentric[..., None]).sum(dim=-2)


def psnr(ours: Tensor, truth: Tensor) -> float:
    """Decibels, for colors in [0, 1]."""
    return float(-10 * torch.log10(((ours - truth) ** 2).mean()))
