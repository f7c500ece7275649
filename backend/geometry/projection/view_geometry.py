# SPDX-License-Identifier: GPL-3.0-or-later
"""Position, normal, texture coordinates and cosine of every pixel of a view, and its texel (SPEC 2.6, 2.7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cameras import Cameras
from .rasterizer import Fragments
from .uv_mesh import UVMesh


@dataclass(frozen=True)
class ViewGeometry:
    """The surface behind every pixel; everything is 0 on the background.

    Attributes:
        position: float32 [V, H, W, 3], world.
        normal: float32 [V, H, W, 3], world, interpolated and not of unit length.
        uv: float32 [V, H, W, 2].
        cosine: float32 [V, H, W] in [0, 1], between the normal and the direction to the camera's centre.
        depth: float32 [V, H, W], a length along the view.
        mask: bool [V, H, W].
    """

    position: Tensor
    normal: Tensor
    uv: Tensor
    cosine: Tensor
    depth: Tensor
    mask: Tensor


def view_geometry(mesh: UVMesh, cameras: Cameras, fragments: Fragments) -> ViewGeometry:
    """Interpolate the mesh over the pixels of its views."""
    pixels = FilledPixels.of(fragments)
    position = pixels.interpolate(mesh.vertices, mesh.faces)
    normal = pixels.interpolate(mesh.normals, mesh.faces)
    uv = pixels.interpolate(mesh.uvs, mesh.face_uvs)
    cosine = facing_cosine(position, normal, cameras.centers[pixels.view])
    return ViewGeometry(
        *(pixels.spread(values) for values in (position, normal, uv, cosine)), fragments.depth, fragments.mask
    )


@dataclass(frozen=True)
class FilledPixels:
    """The pixels that show a face: ``index`` int64 [P] into the flattened ``shape`` [V, H, W], ``face`` int64 [P] and
    ``barycentric`` float32 [P, 3] of each."""

    shape: torch.Size
    index: Tensor
    face: Tensor
    barycentric: Tensor

    @classmethod
    def of(cls, fragments: Fragments) -> FilledPixels:
        index = fragments.face.flatten().ge(0).nonzero()[:, 0]
        face = fragments.face.flatten()[index].long()
        return cls(fragments.face.shape, index, face, fragments.barycentric.reshape(-1, 3)[index])

    @property
    def view(self) -> Tensor:
        """View of each pixel, int64 [P]."""
        return self.index // (self.shape[1] * self.shape[2])

    def interpolate(self, values: Tensor, indices: Tensor) -> Tensor:
        """Return values [N, C], indexed by faces' corners [F, 3], at the pixels: [P, C].

        Term by term, so that every device rounds alike.
        """
        a, b, c = (values[corner.long()[self.face]] for corner in indices.unbind(1))
        weights = self.barycentric
        return weights[:, 0:1] * a + weights[:, 1:2] * b + weights[:, 2:3] * c

    def spread(self, values: Tensor) -> Tensor:
        """Return values [P, ...] as pictures [V, H, W, ...], 0 on the background."""
        pictures = values.new_zeros(self.shape.numel(), *values.shape[1:])
        pictures[self.index] = values
        return pictures.view(*self.shape, *values.shape[1:])


def facing_cosine(position: Tensor, normal: Tensor, center: Tensor) -> Tensor:
    """Cosine between normals and the directions to a camera's centre, float32 [P] in [0, 1]; all inputs [P, 3].

    The direction to the centre also for an orthographic camera (SPEC 2.6).
    """
    return (_unit(center - position) * _unit(normal)).sum(dim=1).clamp(0.0, 1.0)


def texel_of(uv: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the linear index, int64 [P], of the texel nearest to uv [P, 2] in a texture of (height, width).

    Texel centres lie at j / (width - 1); outside, the border's texel is taken (SPEC 2.7).
    """
    height, width = size
    x, y = -1.0 + 2.0 * uv[:, 0], 1.0 - 2.0 * uv[:, 1]
    column = ((x + 1.0) / 2.0 * (width - 1)).clamp(0.0, width - 1).round()
    row = ((y + 1.0) / 2.0 * (height - 1)).clamp(0.0, height - 1).round()
    return row.long() * width + column.long()


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, eps=1e-6)
