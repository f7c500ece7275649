# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact rasterization of triangles, the same on CPU and CUDA (docs/algorithms/flexisyncmvd.md, section 2).

A face covers a pixel when the pixel's center lies strictly inside it: a center exactly on an edge belongs to no face.
Of the faces of a pixel the nearest wins, of equally near ones the one with the smallest index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from . import kernels
from .cameras import Cameras
from .uv_mesh import UVMesh


@dataclass(frozen=True)
class Fragments:
    """What each pixel shows; the leading dimensions are views, or layers from near to far.

    Attributes:
        face: int32 [N, H, W], -1 on the background.
        barycentric: float32 [N, H, W, 3], corrected for perspective; 0 on the background.
        depth: float32 [N, H, W], a length along the view; 0 on the background.
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor

    def __getitem__(self, index: slice) -> Fragments:
        """Some of the views or layers, sharing memory."""
        return Fragments(self.face[index], self.barycentric[index], self.depth[index])

    @property
    def mask(self) -> Tensor:
        """Whether a face covers the pixel, bool [N, H, W]."""
        return self.face >= 0


def rasterize(
    screen: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    *,
    perspective: bool = False,
    cull: bool = True,
    layers: int = 1,
) -> Fragments:
    """Rasterize one image.

    Args:
        screen: float32 [N, 3], NDC x (to the left), NDC y (up), depth; [-1, 1] spans the image's shorter side.
        faces: int32 [F, 3].
        size: height and width in pixels.
        perspective: whether depth and barycentrics are interpolated with correction for perspective.
        cull: leave out faces that wind clockwise on the screen.
        layers: how many faces a pixel may show, nearest first.

    Returns:
        Fragments with the layers in front: at most ``layers``, none of them empty but a single one.
    """
    image = Image(size, perspective, cull)
    keys = list(image.peel(screen, faces, layers))
    fragments = _empty_fragments(len(keys), size, screen.device)
    for layer, of_layer in enumerate(keys):
        image.resolve(of_layer, screen, faces, fragments[layer : layer + 1])
    return fragments


def rasterize_views(
    mesh: UVMesh, cameras: Cameras, size: int | tuple[int, int], *, cull: bool = True
) -> Fragments:
    """Rasterize what every camera sees of the mesh: Fragments with the V views in front, one face for each pixel."""
    size = (size, size) if isinstance(size, int) else size
    image = Image(size, cameras.perspective, cull)
    fragments = _empty_fragments(len(cameras), size, mesh.device)
    for view, screen in enumerate(cameras.to_screen(mesh.vertices)):
        for keys in image.peel(screen, mesh.faces, layers=1):
            image.resolve(keys, screen, mesh.faces, fragments[view : view + 1])
    return fragments


def _empty_fragments(count: int, size: tuple[int, int], device: torch.device) -> Fragments:
    shape = (count, *size)
    return Fragments(
        torch.full(shape, -1, dtype=torch.int32, device=device),
        torch.zeros(*shape, 3, device=device),
        torch.zeros(shape, device=device),
    )


@dataclass(frozen=True)
class Image:
    """How one image is rasterized; see `rasterize`."""

    size: tuple[int, int]
    perspective: bool
    cull: bool

    def peel(self, screen: Tensor, faces: Tensor, layers: int) -> Iterator[Tensor]:
        """Yield the keys int64 [H, W] of one layer after another, from near to far, until they are empty.

        Raises ValueError where faces lie over one another so often that there are 2^31 pieces of work.
        """
        device, (height, width) = screen.device, self.size
        boxes = torch.empty(len(faces), 4, dtype=torch.int32, device=device)
        pieces = torch.empty(len(faces), dtype=torch.int32, device=device)
        arguments = (screen, faces, *self._frame(), self.cull, boxes, pieces)
        kernels.launch(kernels.bound_faces, len(faces), *arguments, device=device)
        piece_ends = pieces.cumsum(0)
        piece_count = int(piece_ends[-1])
        if piece_count >= 1 << 31:
            raise ValueError(f"{len(faces)} faces cover the image too often over")
        behind = torch.full((height, width), -1, dtype=torch.int64, device=device)
        for layer in range(layers):
            keys = torch.full_like(behind, kernels.FARTHEST_KEY)
            pieced = (screen, faces, boxes, piece_ends, *self._frame(), self.perspective, behind, keys)
            kernels.launch(kernels.rasterize_pieces, piece_count, *pieced, device=device)
            if layer and not (keys != kernels.FARTHEST_KEY).any():
                break
            yield keys
            behind = keys

    def resolve(self, keys: Tensor, screen: Tensor, faces: Tensor, into: Fragments) -> None:
        """Write what the keys stand for into a single layer or view."""
        arguments = (screen, faces, keys, *self._frame(), self.perspective)
        outputs = (into.face[0], into.barycentric[0], into.depth[0])
        kernels.launch(kernels.resolve_pixels, self.size, *arguments, *outputs, device=screen.device)

    def _frame(self) -> tuple[int, int, float, float]:
        height, width = self.size
        return height, width, width / min(self.size), height / min(self.size)
