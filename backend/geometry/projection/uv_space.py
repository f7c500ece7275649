# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh laid out in its texture: which faces cover a texel, and what is wrong with the coordinates.

See docs/algorithms/flexisyncmvd.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .kernels import FACE_BITS, FARTHEST_KEY
from .rasterizer import Fragments, Image, rasterize
from .uv_mesh import UVMesh

LAYERS = 5
"""Faces that a texel may show, nearest to +Z of the world first."""
OUTSIDE = 1e-5
"""How far outside [0, 1] a coordinate may lie: rounding of an exporter."""
MOST_OVERLAP = 0.02
"""Share of the used texels that several faces may share before it is worth a remark: mirrored halves, thin margins."""
LARGEST_WORK = 1 << 26
"""Texels, of all faces' bounding boxes together, that `uv_coverage` looks at."""
DEGENERATE = 1e-12
"""Twice the area, in textures, up to which a face counts as having none."""


def rasterize_uvs(mesh: UVMesh, size: tuple[int, int], *, layers: int = LAYERS) -> Fragments:
    """Rasterize the faces at their texture coordinates, wound either way: Fragments with at most ``layers`` in front.

    Texel (row, column) has its center at u = (column + 0.5) / W, v = 1 - (row + 0.5) / H: up to half a texel from
    where `view_texels` has it. Textures taller than wide are laid out rightly (the published pipeline shrinks them).
    """
    return rasterize(*_texture_plane(mesh, size), size, cull=False, layers=layers)


def faces_in_texture(mesh: UVMesh, size: tuple[int, int], *, layers: int = LAYERS) -> Tensor:
    """Return only the faces of `rasterize_uvs`, int32 [at most ``layers``, H, W], -1 where there is none."""
    image = Image(size, perspective=False, cull=False)
    layered = torch.stack(list(image.peel(*_texture_plane(mesh, size), layers)))
    return torch.where(layered == FARTHEST_KEY, -1, layered & FACE_BITS).int()


def _texture_plane(mesh: UVMesh, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Every face's corners as points of their own in the texture's plane, seen from +Z, and the faces of these."""
    height, width = size
    uv = mesh.corner_uvs().reshape(-1, 2)
    x = (1.0 - 2.0 * uv[:, 0]) * (width / min(size))
    y = (2.0 * uv[:, 1] - 1.0) * (height / min(size))
    depth = 3.0 - 2.0 * mesh.vertices[mesh.faces.long(), 2].reshape(-1)
    corners = torch.arange(len(uv), dtype=torch.int32, device=mesh.device).view(-1, 3)
    return torch.stack([x, y, depth], dim=1), corners


@dataclass(frozen=True)
class UVCoverage:
    """How well texture coordinates suit a texture of their own.

    Attributes:
        covered: share of the texture's texels that some face covers.
        overlapping: share of the covered texels that more than one face covers.
        outside: share of the faces with a corner outside [0, 1].
        degenerate: share of the faces without area in the texture.
    """

    covered: float
    overlapping: float
    outside: float
    degenerate: float


def uv_coverage(mesh: UVMesh, size: int = 1024) -> UVCoverage:
    """Measure a mesh with at least one face on a square texture of ``size`` texels a side.

    Fewer are taken where faces overlap so much that the answer is plain: a layout may give each face the whole texture.
    """
    size = min(size, max(int((LARGEST_WORK / max(_box_area(mesh), 1.0)) ** 0.5), 1))
    faces = faces_in_texture(mesh, (size, size), layers=2)
    covered, twice = int((faces[0] >= 0).sum()), int((faces[1:] >= 0).sum())
    corners = mesh.corner_uvs()
    outside = ((corners < -OUTSIDE) | (corners > 1.0 + OUTSIDE)).flatten(1).any(dim=1)
    first, second = (corners[:, i] - corners[:, 0] for i in (1, 2))
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return UVCoverage(
        covered / faces[0].numel(),
        twice / max(covered, 1),
        float(outside.float().mean()),
        float((area.abs() <= DEGENERATE).float().mean()),
    )


def _box_area(mesh: UVMesh) -> float:
    """Area of all faces' bounding boxes together, inside of the texture and in textures."""
    corners = mesh.corner_uvs().clamp(0.0, 1.0)
    return float((corners.amax(dim=1) - corners.amin(dim=1)).prod(dim=1).sum())


def wrap_uvs(mesh: UVMesh) -> UVMesh:
    """Move every face by whole tiles so that the middle of its bounding box lies in [0, 1).

    Faces that span the border of a tile still reach outside, see `UVCoverage.outside`.
    """
    corners = mesh.corner_uvs()
    low, high = corners.amin(dim=1, keepdim=True), corners.amax(dim=1, keepdim=True)
    tile = ((low + high) / 2.0).floor()
    wrapped = (corners - tile).reshape(-1, 2)
    face_uvs = torch.arange(len(wrapped), dtype=torch.int32, device=mesh.device).view(-1, 3)
    return mesh.with_uvs(wrapped, face_uvs)


def dilate(mask: Tensor) -> Tensor:
    """Grow a mask bool [..., H, W] by one texel in all eight directions."""
    grown = mask.clone()
    grown[..., 1:] |= mask[..., :-1]
    grown[..., :-1] |= mask[..., 1:]
    rows = grown.clone()
    grown[..., 1:, :] |= rows[..., :-1, :]
    grown[..., :-1, :] |= rows[..., 1:, :]
    return grown
