# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of a mesh as the encoder and vision-language models want them: color on white, depth, cameras.

Meshes are in Blender's frame, which is the pipeline's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ....contract import BadInput, MeshData
from ....geometry.frames import blender_to_y_up, y_up_to_blender
from ....geometry.library_devices import warp_device
from ....geometry.projection.cameras import orbit_cameras
from ....geometry.projection.rasterizer import Fragments, rasterize
from ...common.image_condition import normalize_image
from ..encoder import plucker_rays
from ..fields import DENSITY_BOX

POSES = ((15.0, 30.0), (15.0, 90.0), (15.0, 150.0), (15.0, 210.0), (15.0, 270.0), (15.0, 330.0))
"""Elevation and azimuth of the six views, in degrees; 0 looks at the front."""
DISTANCE = 1.77194
FIELD_OF_VIEW = 39.6
FOCAL = 1.38889
"""Focal length of that field of view as a share of the image's side."""
PLAIN_COLOR = 0.7
AMBIENT = 0.55
"""Light of faces that are seen edge-on; the rest falls from the camera."""


@dataclass(frozen=True)
class MeshViews:
    """Views of V cameras.

    Attributes:
        color: float32 [V, 3, N, N], sRGB in [0, 1], white behind the object.
        depth: float32 [V, 1, N, N], along the view's axis; 0 behind the object.
        camera_to_world: float32 [V, 4, 4], x right, y down, z forward.
    """

    color: Tensor
    depth: Tensor
    camera_to_world: Tensor

    def encoder_input(self) -> Tensor:
        """What `TriplaneEncoder` takes, float32 [V, 10, N, N]."""
        rays = plucker_rays(self.camera_to_world, FOCAL, self.color.shape[-1])
        return torch.cat([normalize_image(self.color), rays, self.depth], dim=1)

    def images(self) -> np.ndarray:
        """The colors as uint8 [V, N, N, 3]."""
        return (self.color.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()


def render_views(
    mesh: MeshData, size: int, device: torch.device | str, poses: Sequence[tuple[float, float]] = POSES
) -> MeshViews:
    """Views of the mesh, scaled and moved into the cube of side 0.9, rendered where warp can for networks on `device`.

    Raises BadInput for a mesh without extent.
    """
    device = warp_device(device)
    vertices = torch.from_numpy(in_cube(mesh)).to(device)
    rig = torch.from_numpy(np.ascontiguousarray(blender_to_y_up(vertices.cpu().numpy()))).to(device)
    cameras = orbit_cameras(poses, distance=DISTANCE, field_of_view=FIELD_OF_VIEW, device=device)
    faces = torch.from_numpy(mesh.faces).to(device)
    seen = [rasterize(screen, faces, (size, size), perspective=True, cull=False)[:1]
            for screen in cameras.to_screen(rig)]
    fragments = Fragments(*(torch.cat([getattr(view, part) for view in seen])
                            for part in ("face", "barycentric", "depth")))
    centers = torch.from_numpy(y_up_to_blender(cameras.centers.cpu().numpy())).to(device)
    color = _shaded(mesh, fragments, vertices, faces, centers)
    color = torch.where(fragments.mask[..., None], color, 1.0).permute(0, 3, 1, 2)
    return MeshViews(color.contiguous(), fragments.depth[:, None], looking_at_origin(centers))


def in_cube(mesh: MeshData) -> np.ndarray:
    """The vertices float32 [V, 3], their longest side 0.9, around the origin. Raises BadInput."""
    low, high = mesh.bounds
    extent = float((high - low).max())
    if mesh.is_empty or not np.isfinite(extent) or extent <= 0:
        raise BadInput("The mesh cannot be described.", "It has no faces, no extent, or invalid vertex positions.",
                       "Select another mesh object.")
    return ((mesh.vertices - (low + high) / 2) * (DENSITY_BOX / extent)).astype(np.float32)


def looking_at_origin(centers: Tensor) -> Tensor:
    """Matrices float32 [V, 4, 4] from cameras at `centers [V, 3]` to the world, Z up."""
    forward = functional.normalize(-centers, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0], device=centers.device).expand_as(centers)
    right = functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    matrices = torch.eye(4, device=centers.device).repeat(len(centers), 1, 1)
    matrices[:, :3] = torch.stack([right, down, forward, centers], dim=-1)
    return matrices


def _shaded(mesh: MeshData, fragments: Fragments, vertices: Tensor, faces: Tensor, centers: Tensor) -> Tensor:
    """The color [V, N, N, 3] of every pixel, lit from the camera; without meaning behind the object."""
    face, weights = fragments.face.clamp_min(0).long(), fragments.barycentric
    corners = vertices[faces.long()]
    normals = functional.normalize(
        torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), dim=-1
    )
    positions = (corners[face] * weights[..., None]).sum(dim=-2)
    towards = functional.normalize(centers[:, None, None] - positions, dim=-1)
    facing = (normals[face] * towards).sum(dim=-1, keepdim=True).abs()
    return _base_color(mesh, face, weights) * (AMBIENT + (1 - AMBIENT) * facing)


def _base_color(mesh: MeshData, face: Tensor, weights: Tensor) -> Tensor:
    """What the mesh's texture, else its vertex colors, show at every pixel; plain gray without either."""
    device = face.device
    if mesh.texture is not None and mesh.uvs is not None:
        uv = (torch.from_numpy(mesh.uvs).to(device)[face] * weights[..., None]).sum(dim=-2)
        place = torch.stack([uv[..., 0] * 2 - 1, 1 - uv[..., 1] * 2], dim=-1)
        texture = torch.from_numpy(mesh.texture).to(device).permute(2, 0, 1).float() / 255
        sampled = functional.grid_sample(texture.expand(len(face), -1, -1, -1), place, align_corners=False,
                                         padding_mode="border")
        return sampled.permute(0, 2, 3, 1)
    if mesh.colors is not None:
        corners = torch.from_numpy(mesh.colors[mesh.faces][..., :3]).to(device)
        return (corners[face] * weights[..., None]).sum(dim=-2)
    return torch.full((*face.shape, 3), PLAIN_COLOR, device=device)
