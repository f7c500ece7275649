# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's renderer as published: control maps, and views on the surface.

Its frame is mirrored, images are looked up half a pixel aside, and what counts as seen depends on rounding where the
surface faces the camera. Cameras, colors and blending are the product's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, max_pool2d, normalize

from backend.geometry.projection import Cameras
from backend.painting.view_blend import ViewBlend
from backend.pipelines.hunyuan3d_paint.control_maps import normal_colors, position_colors, to_pixels
from backend.pipelines.hunyuan3d_paint.rig import HALF_WIDTH, RADIUS, Pose, paint_cameras

from ..golden import Golden
from .paint_rasterizer import interpolate, rasterize

NEAR, FAR = 0.1, 100.0
DEPTH_TOLERANCE = 3e-3
STEEPEST = np.cos(np.radians(75.0))


def mirrored(points: Tensor) -> Tensor:
    """glTF's axes to those of the original's renderer, which mirrors."""
    x, y, z = points.unbind(-1)
    return torch.stack([-x, z, -y], dim=-1)


@dataclass(frozen=True)
class Published:
    """A mesh in the frame of the original's renderer, UVs with v downward."""

    vertices: Tensor
    faces: Tensor
    uvs: Tensor
    center: Tensor
    scale: Tensor

    @classmethod
    def of(cls, golden: Golden, prefix: str = "") -> "Published":
        vertices = golden.input(f"{prefix}vertices0")[golden.input(f"{prefix}vmapping").long()]
        uvs = golden.input(f"{prefix}uv")
        placed = mirrored(vertices)
        center = ((placed.amax(dim=0) + placed.amin(dim=0)) / 2)[None]
        scale = (RADIUS / (placed - center).double().norm(dim=1).max()).float()
        flipped = torch.stack([uvs[:, 0], 1.0 - uvs[:, 1]], dim=1)
        return cls((placed - center) * scale, golden.input(f"{prefix}faces"), flipped, center, scale)

    @cached_property
    def normals(self) -> Tensor:
        """Of the faces, in this frame: inward for a mesh whose normals point outward."""
        return _normals(self.vertices, self.faces)

    @cached_property
    def areas(self) -> Tensor:
        a, b, c = self.vertices[self.faces.long()].unbind(1)
        return (b - a).cross(c - a, dim=1).norm(dim=1) / 2

    def in_view(self, pose: Pose) -> Tensor:
        """Vertices in the camera's frame."""
        matrix = world_to_camera(paint_cameras([pose]))[0]
        return _homogeneous(self.vertices) @ matrix.T

    def render(self, pose: Pose, size: int) -> tuple[Tensor, Tensor]:
        return rasterize(self.in_view(pose) @ projection().T, self.faces, size, size)


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = vertices[faces.long()].unbind(1)
    return normalize((b - a).cross(c - a, dim=1), eps=1e-12)


def _homogeneous(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones(len(points), 1)], dim=1)


def projection() -> Tensor:
    matrix = torch.diag(torch.tensor([1 / HALF_WIDTH, 1 / HALF_WIDTH, -2 / (FAR - NEAR), 1.0]))
    matrix[2, 3] = -(FAR + NEAR) / (FAR - NEAR)
    return matrix


def world_to_camera(cameras: Cameras) -> Tensor:
    """Our cameras as matrices [V, 4, 4] for column vectors of the mirrored frame."""
    left, up, look = (mirrored(axis) for axis in cameras.rotation.unbind(-1))
    rows = torch.stack([-left, -up, -look], dim=1)
    matrices = torch.eye(4).repeat(len(cameras), 1, 1)
    matrices[:, :3, :3] = rows
    matrices[:, :3, 3] = -cameras.translation
    return matrices


def rendered_maps(mesh: Published, pose: Pose, size: int) -> dict[str, Tensor]:
    """One view as the original renders it, colored by our functions."""
    found, barycentric = mesh.render(pose, size)
    covered = (found > 0)[..., None]
    x, y, z = mesh.normals[(found - 1).clamp(min=0).long()].unbind(-1)
    normals = normal_colors(torch.stack([x, z, -y], dim=-1))  # inward in this frame: outward in ours
    x, y, z = mesh.vertices.unbind(-1)
    places = position_colors(torch.stack([-x, -z, y], dim=-1))
    positions = interpolate(found, barycentric, places, mesh.faces)
    return {
        "face_id": found,
        "normal_u8": to_pixels(normals.where(covered, 1.0)),
        "position_u8": to_pixels(positions.where(covered, 1.0)),
    }


def texels_of(mesh: Published, size: int) -> tuple[Tensor, Tensor]:
    """Row and column of each covered texel, [T, 2], and its place on the surface, homogeneous [T, 4]."""
    places = torch.cat([mesh.uvs * 2 - 1, -torch.ones(len(mesh.uvs), 1), torch.ones(len(mesh.uvs), 1)], dim=1)
    found, barycentric = rasterize(places, mesh.faces, size, size)
    texels = found.nonzero()
    positions = interpolate(found, barycentric, mesh.vertices, mesh.faces)[found > 0]
    return texels, _homogeneous(positions)


def in_gltf(mesh: Published) -> tuple[Tensor, Tensor]:
    """Vertices in glTF's axes at the renderer's scale, and UVs with v upward: what the fill is given."""
    x, y, z = mesh.vertices.unbind(-1)
    return torch.stack([-x, -z, y], dim=-1), torch.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], dim=1)


@dataclass(frozen=True)
class Settings:
    """Of a bake: pixels that are left out around edges, and how sharply views are weighed."""

    margin: int
    exponent: float


def back_project(
    mesh: Published, pose: Pose, image: Tensor, texels: tuple[Tensor, Tensor], margin: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What a view [S, S, 3] in [0, 1] shows at each texel: color [T, 3], cosine [T] and near an edge [T]."""
    size = len(image)
    depth, trusted, edges = _view_depth(mesh, pose, size, margin)
    place = texels[1] @ world_to_camera(paint_cameras([pose]))[0].T
    uv = place[:, :2] * projection()[0, 0]
    inside = (uv.abs() <= 1).all(dim=1)
    at = (uv.clamp(-1, 1) * 0.5 + 0.5) * size
    column, row = at.trunc().long().clamp(0, size - 1).unbind(1)
    seen = inside & ((place[:, 2] - depth[row, column]).abs() < DEPTH_TOLERANCE) & (trusted[row, column] > 0)
    x, y = ((uv * 0.5 + 0.5) * size - torch.stack([column, row], dim=1)).unbind(1)
    right, below = (column + 1).clamp(max=size - 1), (row + 1).clamp(max=size - 1)
    x, y = x[:, None], y[:, None]
    upper = image[row, column] * (1 - x) + image[row, right] * x
    lower = image[below, column] * (1 - x) + image[below, right] * x
    colors = upper * (1 - y) + lower * y
    return colors * seen[:, None], trusted[row, column] * seen, edges[row, column] * seen


def _view_depth(mesh: Published, pose: Pose, size: int, margin: int) -> tuple[Tensor, Tensor, Tensor]:
    """Depth of each pixel, the surface's cosine there where the pixel can be trusted, and pixels near an edge."""
    found, barycentric = mesh.render(pose, size)
    placed, covered = mesh.in_view(pose), found > 0
    depth = interpolate(found, barycentric, placed[:, 2:3], mesh.faces)[..., 0]
    normals = _normals(placed[:, :3].contiguous(), mesh.faces)[(found - 1).clamp(min=0).long()]
    cosine = cosine_similarity(normals, torch.tensor([0.0, 0.0, -1.0]), dim=-1) * covered
    cosine = cosine.where(cosine >= STEEPEST, 0.0)
    low, high = depth[covered].min(), depth[covered].max()
    shades = ((depth - low) / (high - low) * covered * 255).byte().numpy()
    edge = torch.from_numpy(cv2.Canny(shades, 30, 80) > 0)
    edges, background = (_grown(part, margin) for part in (edge, ~covered))
    trusted = ~(edges | background) if margin else covered
    return depth, cosine * trusted, edges.float()


def _grown(mask: Tensor, margin: int) -> Tensor:
    """A mask grown by a square; what is beyond the image's border adds nothing."""
    return max_pool2d(mask[None, None].float(), 2 * margin + 1, 1, margin)[0, 0] > 0


def baked(
    mesh: Published, views: Sequence[Tensor], poses: list[Pose], size: int, settings: Settings
) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Texture [size, size, 3], mask [size, size], and each view's colors, cosine and edges as textures."""
    grid, _ = texels = texels_of(mesh, size)
    single = [back_project(mesh, pose, view, texels, settings.margin) for pose, view in zip(poses, views, strict=True)]
    blend = ViewBlend(len(grid), 3, settings.exponent)
    for pose, (colors, cosine, _edges) in zip(poses, single, strict=True):
        blend.add(colors, cosine, pose.weight)
    colors, painted = blend.result()
    spread = [tuple(_spread(part, grid, size) for part in view) for view in single]
    return _spread(colors, grid, size), _spread(painted, grid, size), spread  # type: ignore[return-value]


def _spread(values: Tensor, grid: Tensor, size: int) -> Tensor:
    texture = values.new_zeros(size, size, *values.shape[1:])
    texture[grid[:, 0], grid[:, 1]] = values
    return texture
