# SPDX-License-Identifier: GPL-3.0-or-later
"""From a triplane to a colored mesh, by the density field or by FlexiCubes.

The frame is the pipeline's own for both: Z up, the object in the cube [-0.45, 0.45]³, not mirrored.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contract import MeshData
from ...contract.reports import CountReport, ignore
from ...geometry.flexicubes import CubeWeights, Split, SurfaceCubes, extract_dual_mesh, find_surface_cubes
from ...geometry.isosurface import extract_isosurface
from .fields import DENSITY_BOX, DensityField, FlexiCubesField

DENSITY_LEVEL = 10.0
DENSITY_POINTS = 192
"""Points of the density grid along an axis."""
CUBES_AT_ONCE = 1 << 15
"""Surface cubes whose weights are found in one pass; any number gives the same weights."""


@dataclass(frozen=True)
class FlexiCubesGrid:
    """The grid of FlexiCubes; the defaults are those of the published weights.

    Attributes:
        resolution: cubes along an axis.
        side: the grid's side in the field's frame. A little more than the planes cover: the surface can close.
        steps_per_cube: grid points move by at most 1 / (steps_per_cube * resolution).
    """

    resolution: int = 128
    side: float = 2.005
    steps_per_cube: float = 4.0

    def axis(self, device: torch.device | str) -> Tensor:
        """Coordinates float32 `[resolution + 1]` of grid points in the field's frame, with the published rounding."""
        share = torch.arange(self.resolution + 1, dtype=torch.float64) / self.resolution
        return ((share.mul(1e5).round() / 1e5).float() - 0.5).mul(self.side).to(device)


def density_mesh(
    field: DensityField,
    triplane: Tensor,
    points: int = DENSITY_POINTS,
    level: float = DENSITY_LEVEL,
    report: CountReport = ignore,
) -> MeshData:
    """The surface where the density of `triplane [1, 3, C, H, W]` is `level`, on a grid of `points` per axis.

    Empty where the density never crosses the level. Raises ValueError when the density is not finite.
    """
    axis = torch.from_numpy(np.linspace(-field.box / 2, field.box / 2, points).astype(np.float32))
    grid = field.density_grid(triplane, axis.to(triplane.device), report)[0]
    surface = extract_isosurface(grid, level=level)
    vertices = surface.vertices * np.float32(field.box / 2)
    return colored(field, triplane, torch.from_numpy(vertices).to(triplane.device), surface.faces)


def flexicubes_mesh(
    field: FlexiCubesField,
    triplane: Tensor,
    grid: FlexiCubesGrid | None = None,
    split: Split = "diagonal",
    report: CountReport = ignore,
) -> MeshData:
    """The dual mesh of the signed distance of `triplane [1, 3, C, H, W]`, scaled to the pipeline's frame.

    Empty where the distance never changes sign. Raises ValueError when the distance is not finite.
    """
    grid = grid or FlexiCubesGrid()
    axis = grid.axis(triplane.device)
    distance = field.distance_grid(triplane, axis, report)[0]
    if not torch.isfinite(distance.sum()):
        raise ValueError("the signed distance holds values that are not finite")
    surface = find_surface_cubes(distance)
    undeformed = axis[surface.point_coordinates()]
    features = field.features(triplane, undeformed[None])[0]
    moved = undeformed + field.deformation(features) / (grid.steps_per_cube * grid.resolution)
    near = distance.flatten()[surface.points]
    mesh = extract_dual_mesh(surface, moved, near, cube_weights(field, surface, features), split)
    colors = field.colors(triplane, mesh.vertices[None])[0]
    vertices = mesh.vertices * (DENSITY_BOX / field.box)
    return MeshData(vertices.cpu().numpy(), mesh.faces.int().cpu().numpy(), colors=opaque(colors))


def cube_weights(field: FlexiCubesField, surface: SurfaceCubes, features: Tensor) -> CubeWeights:
    """Weights of the surface cubes, from `features [U, 3 C]` of their corners."""
    passes = surface.corners.split(CUBES_AT_ONCE)
    raw = [field.cube_weights(features[corners]) for corners in passes]
    return CubeWeights.from_raw(torch.cat(raw) if raw else features.new_zeros(0, 21))


def colored(field: DensityField, triplane: Tensor, vertices: Tensor, faces: np.ndarray) -> MeshData:
    """A mesh whose `vertices [V, 3]`, in the field's frame, have the field's colors."""
    colors = field.colors(triplane, vertices[None])[0]
    return MeshData(vertices.cpu().numpy(), faces, colors=opaque(colors))


def opaque(colors: Tensor) -> np.ndarray:
    """Colors `[V, 3]` clipped to [0, 1] with full alpha, float32 [V, 4]."""
    rgb = colors.clamp(0, 1)
    return torch.cat([rgb, torch.ones_like(rgb[:, :1])], dim=1).cpu().numpy()
