# SPDX-License-Identifier: GPL-3.0-or-later
"""What the published Hunyuan3D shape pipeline does where ours does otherwise: its faults, and one more mode."""

from collections.abc import Callable

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor
from torch.nn import functional

from backend.contract import MeshData
from backend.pipelines.common.image_files import RgbaArray
from backend.pipelines.common.image_preparation import Centering
from backend.pipelines.hunyuan3d_shape.attention import KeyValue
from backend.pipelines.hunyuan3d_shape.image import as_tensor, centered_on_white, resized
from backend.pipelines.hunyuan3d_shape.restricted_field import LATER_LEVELS, RestrictedField
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler

LevelQuery = Callable[[Tensor], Tensor]
"""All points `[P, 3]` of a level -> values `[P]`."""
UNEVALUATED = -10000.0
MERGE_EVERY, MERGE_SHARE = 30, 1e-6


def original_sigmas(scheduler: ShapeScheduler, steps: int) -> Tensor:
    """The original's flow matching ends with a step of no length."""
    times = scheduler.times(steps)
    return torch.cat([times, times.new_ones(steps + 1 - len(times))])


def original_centering(border: float) -> Centering:
    """The original counts every pixel that is not fully transparent, and loses the last row and column."""
    return Centering(border, faintest=1, last_lost=True, scaling="8 bit")


def original_view(rgba: RgbaArray, size: int, border: float) -> Tensor:
    return as_tensor(resized(centered_on_white(rgba, original_centering(border)), size))


def original_sharpness(mesh: trimesh.Trimesh) -> np.ndarray:
    """The original goes through the corners in three passes, in each of which the last face at a vertex wins."""
    sharpness = np.ones(len(mesh.vertices))
    for corner in mesh.faces.T:
        cosine = np.einsum("fx,fx->f", mesh.vertex_normals[corner], mesh.face_normals)
        sharpness[corner] = np.minimum(sharpness[corner], cosine)
    return sharpness


def original_grid(
    query: LevelQuery, resolutions: list[int], half_side: float, level: float
) -> Tensor:
    """The original's refinement: NaN where nothing was evaluated. Float32 `[R + 1] * 3`."""
    axis = torch.from_numpy(np.linspace(-half_side, half_side, resolutions[0] + 1).astype(np.float32))
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    grid = query(points.view(-1, 3)).view(points.shape[:3])
    for resolution in resolutions[1:]:
        last = resolution == resolutions[-1]
        near = changes_sign(grid, level) | (grid.abs() < 0.95)
        if not last:
            near = dilated(near)
        fine = torch.zeros((resolution + 1,) * 3, dtype=torch.bool)
        at = near.nonzero() * 2
        fine[tuple(at.T)] = True
        fine = dilated(dilated(fine)) if last else dilated(fine)
        place = fine.nonzero()
        cell = torch.tensor(2 * half_side / resolution, dtype=torch.float32)
        grid = torch.full(fine.shape, UNEVALUATED)
        grid[fine] = query(place * cell - torch.tensor(half_side))
    return torch.where(grid == UNEVALUATED, torch.nan, grid)


def changes_sign(grid: Tensor, level: float) -> Tensor:
    """Evaluated samples one of whose six neighbors has another sign; one that was not evaluated counts as equal."""
    value = grid + level
    valid = value > -9000
    padded = functional.pad(value[None, None], (1,) * 6, mode="replicate")[0, 0]
    size = value.shape[0]
    near = torch.zeros_like(valid)
    for axis in range(3):
        for start in (0, 2):
            place = [slice(1, size + 1)] * 3
            place[axis] = slice(start, start + size)
            neighbor = padded[tuple(place)]
            neighbor = torch.where(neighbor > -9000, neighbor, value)
            near |= neighbor.sign() != value.sign()
    return near & valid


def dilated(mask: Tensor) -> Tensor:
    return functional.max_pool3d(mask[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0


class OriginalField(RestrictedField):
    """The original does not ask for a stable order, and so takes its samples by the order of torch's fast sort."""

    def order(self, bins: Tensor) -> Tensor:
        return super().order(bins) if self.level == 0 else bins.argsort()


class MergedField(RestrictedField):
    """FlashVDM's other mode: from the second level on a bin keeps every key that any of its samples attends to."""

    def __call__(self, points: Tensor) -> Tensor:
        if self.level == 0:
            return super().__call__(points)
        bins = LATER_LEVELS.of(points)
        values = torch.empty(len(points))
        for number in bins.unique():
            inside = (bins == number).nonzero()[:, 0]
            queries = self.autoencoder.field_queries(points[inside][None])
            kept = merged_keys(queries.transpose(1, 2), self.context.key)
            context = KeyValue(self.context.key[:, :, kept], self.context.value[:, :, kept])
            values[inside] = self.autoencoder.query(points[inside][None], context)[0]
        self.level += 1
        return values


def merged_keys(query: Tensor, key: Tensor) -> Tensor:
    """Which keys a group keeps by its `query [1, heads, Q, D]`, bool `[K]`."""
    scores = (query[:, :, ::MERGE_EVERY] @ key.transpose(-1, -2)).softmax(dim=-1)
    return (scores.mean(dim=1) > MERGE_SHARE).any(dim=1)[0]


def original_surface(grid: Tensor, resolution: int, half_side: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The original's marching cubes: positions by one cell too many, invented vertices where the grid holds NaN."""
    vertices, faces, _, _ = marching_cubes(grid.numpy(), level)
    return vertices / (resolution + 1) * (2 * half_side) - half_side, faces


def original_mesh(vertices: np.ndarray, faces: np.ndarray) -> MeshData:
    """Turned outward, without vertices that are not finite, equal ones merged: what the original's mesh object does."""
    mesh = trimesh.Trimesh(vertices, faces[:, ::-1], process=True)
    return MeshData(mesh.vertices, mesh.faces)
