# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the mesh that the network follows: where surfaces face, and where they are.

docs/algorithms/hunyuan3d_paint.md, "Control maps". Colors are Blender's axes: red X, green Y, blue Z (up).
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from ...geometry.projection import Fragments, UVMesh
from .rig import RADIUS


def face_normals(mesh: UVMesh) -> Tensor:
    """Unit normals float32 `[F, 3]` by the faces' winding; 0 for a face without area."""
    a, b, c = mesh.vertices[mesh.faces.long()].unbind(1)
    return normalize((b - a).cross(c - a, dim=1), eps=1e-12)


def control_maps(mesh: UVMesh, shown: Fragments, size: int) -> tuple[Tensor, Tensor]:
    """Normal and position maps of the views, uint8 `[V, size, size, 3]` each, on white.

    Args:
        mesh: in the cameras' frame.
        shown: what the views show, at a multiple of `size`; edges are smoothed on the way down.
        size: pixels a side.
    """
    normals, positions = normal_colors(face_normals(mesh)), position_colors(mesh.vertices)
    corners = mesh.faces.long()
    maps: tuple[list[Tensor], list[Tensor]] = ([], [])
    for view in range(len(shown.face)):
        face, weight = shown.face[view].long(), shown.barycentric[view][..., None]
        covered = (face >= 0)[..., None]
        face = face.clamp(min=0)
        position = (positions[corners[face]] * weight).sum(dim=-2)
        for images, image in zip(maps, (normals[face], position), strict=True):
            images.append(smaller(to_pixels(image.where(covered, 1.0).clamp(0, 1)), size))
    return torch.stack(maps[0]), torch.stack(maps[1])


def normal_colors(normals: Tensor) -> Tensor:
    """Colors of unit normals `[..., 3]`, in [0, 1]."""
    x, y, z = normals.unbind(-1)
    return torch.stack([1 + x, 1 - z, 1 + y], -1) / 2


def position_colors(positions: Tensor) -> Tensor:
    """Colors of positions `[..., 3]` in the cameras' frame, in [0, 1] inside of the sphere."""
    x, y, z = (positions / (2 * RADIUS)).unbind(-1)
    return torch.stack([0.5 + x, 0.5 - z, 0.5 + y], -1)


def to_pixels(colors: Tensor) -> Tensor:
    """uint8 of colors in [0, 1], cut off as in training, not rounded."""
    return (colors * 255.0).byte()


def smaller(image: Tensor, size: int) -> Tensor:
    """A square image uint8 `[S, S, 3]` at `size` pixels a side, bicubic over the whole area of a pixel."""
    if len(image) == size:
        return image
    channels = image.permute(2, 0, 1)[None].float()
    scaled = interpolate(channels, (size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).byte()[0].permute(1, 2, 0)
