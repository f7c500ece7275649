# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the mesh that the ControlNets follow (docs/algorithms/flexisyncmvd.md, section 5)."""

from enum import StrEnum
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...geometry.projection import Cameras, UVMesh, ViewGeometry, rasterize_views, view_geometry

RENDER_SIZE = 512
CANNY_THRESHOLDS = (100, 200)
FLAT = 1e-4
"""A view whose inverse depths differ by a smaller share shows a plane facing the camera; the rest is rounding."""
_FAR = 100.0
_BLUR_TAPS = torch.exp(-torch.arange(-2.0, 3.0) ** 2 / 8)


class ControlKind(StrEnum):
    """What a ControlNet was trained to follow."""

    DEPTH = "depth"
    NORMAL = "normal"
    CANNY = "canny"
    TILE = "tile"


def condition_geometry(mesh: UVMesh, cameras: Cameras, size: int = RENDER_SIZE) -> ViewGeometry:
    """What depth, normal and canny images are made from, rendered once for all of them."""
    return view_geometry(mesh, cameras, rasterize_views(mesh, cameras, size))


def condition_image(kind: ControlKind, geometry: ViewGeometry, cameras: Cameras, size: int) -> Tensor:
    """The image of one kind for every view, float32 [V, 3, size, size] in [0, 1]."""
    if kind is ControlKind.DEPTH:
        return smooth(depth_image(geometry), size)
    normals = smooth(normal_image(geometry, cameras), size)
    return normals if kind is ControlKind.NORMAL else edges(normals)


class DepthViews(Protocol):
    """What a depth image needs of the views: `depth` float32 and `mask` bool [V, H, W]."""

    @property
    def depth(self) -> Tensor: ...
    @property
    def mask(self) -> Tensor: ...


def depth_image(geometry: DepthViews) -> Tensor:
    """Inverse depth of each view stretched to [0, 1]: near is 1, background 0, flat views all near; [V, 3, H, W]."""
    mask = geometry.mask[:, None]
    inverse = 1 / torch.where(mask, geometry.depth[:, None], _FAR)
    nearest = inverse.amax((2, 3), keepdim=True)
    farthest = torch.where(mask, inverse, torch.inf).amin((2, 3), keepdim=True).minimum(nearest)
    spread = nearest - farthest
    stretched = ((inverse - farthest) / torch.where(spread > 0, spread, 1)).clamp(0, 1)
    stretched = torch.where(spread > FLAT * nearest, stretched, 1)
    return (stretched * mask).expand(-1, 3, -1, -1)


def normal_image(geometry: ViewGeometry, cameras: Cameras) -> Tensor:
    """Unit normals seen from each camera in [0, 1]: red left, green up, blue toward the camera; [V, 3, H, W]."""
    normals = torch.einsum("vhwi,vij->vhwj", geometry.normal, cameras.rotation)
    facing = functional.normalize(normals, dim=-1, eps=1e-6) * normals.new_tensor([1, 1, -1])
    colors = ((facing + 1) / 2).clamp(0, 1)
    colors = torch.where(geometry.mask[..., None], colors, colors.new_tensor([0.5, 0.5, 1]))
    return colors.permute(0, 3, 1, 2)


def edges(images: Tensor) -> Tensor:
    """Canny edges of [V, 3, H, W] images in [0, 1], as 0 and 1 in three channels on the same device."""
    pixels = (images * 255).permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
    found = np.stack([cv2.Canny(np.ascontiguousarray(image), *CANNY_THRESHOLDS) for image in pixels])
    return torch.from_numpy(found).to(images.device)[:, None].expand(-1, 3, -1, -1).float() / 255


def smooth(images: Tensor, size: int) -> Tensor:
    """Resized to [V, C, size, size] with antialiasing, and blurred over five pixels."""
    if images.shape[-2:] != (size, size):
        images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
    channels = images.shape[1]
    taps = (_BLUR_TAPS / _BLUR_TAPS.sum()).to(images)
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    kernel = taps.expand(channels, 1, 1, 5)
    across = functional.conv2d(padded, kernel, groups=channels)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=channels)
