# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields read on a grid, plane by plane, agree with fields read point by point; surfaces lie where they say."""

import numpy as np
import pytest
import torch

from backend.pipelines.sar3d.fields import DensityField, FlexiCubesField
from backend.pipelines.sar3d.surfaces import FlexiCubesGrid, density_mesh, flexicubes_mesh


def random_triplane(objects=1):
    return torch.randn(objects, 3, 4, 12, 12, generator=torch.Generator().manual_seed(0))


def ball_triplane(radius):
    """Each plane holds the squares of its first axis, so their sum is the squared distance from the origin."""
    axis = (torch.arange(64) + 0.5) / 32 - 1
    squares = (axis**2)[None, None].expand(3, 64, 64)
    return squares[None, :, None] - radius**2 / 3


def reading_squares(field, sign):
    """Layers that add up the planes' first channels and pass them on: sign times (distance² - radius²)."""
    layers = field.net if isinstance(field, DensityField) else field.net_sdf
    for layer in layers:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layers[0].weight[0], layers[0].weight[1] = 1, -1
        for layer in layers[2:-1]:
            if isinstance(layer, torch.nn.Linear):
                layer.weight[0, 0] = layer.weight[1, 1] = 1
        layers[-1].weight[0, 0], layers[-1].weight[0, 1] = sign, -sign
    return field


@pytest.mark.parametrize("size", [5, 40])
@torch.no_grad()
def test_the_grid_holds_what_the_points_hold(size):
    torch.manual_seed(0)
    triplane = random_triplane(2)
    for field in (DensityField(4, 8), FlexiCubesField(4, 8)):
        axis = torch.linspace(-field.box / 2, field.box / 2, size)
        points = torch.cartesian_prod(axis, axis, axis).expand(2, -1, -1)
        if isinstance(field, DensityField):
            grid, expected = field.density_grid(triplane, axis), field(triplane, points)[0]
        else:
            grid = field.distance_grid(triplane, axis)
            expected = field.net_sdf(field.features(triplane, points)).sigmoid() - 0.5
        assert torch.allclose(grid.view(expected.shape), expected, atol=1e-5)


@torch.no_grad()
def test_both_surfaces_of_one_ball_coincide():
    """The same planes, read by both fields, give the same object in one frame, unmirrored and facing outwards."""
    triplane = ball_triplane(0.6)
    density = density_mesh(reading_squares(DensityField(1, 4), -1), triplane, points=49, level=0.0)
    field = reading_squares(FlexiCubesField(1, 4), 1)
    flexicubes = flexicubes_mesh(field, triplane, FlexiCubesGrid(48))
    for mesh in (density, flexicubes):
        assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(0.27, abs=0.01)
        assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.27**3, rel=0.03)


@torch.no_grad()
def test_an_axis_of_the_triplane_is_an_axis_of_the_mesh():
    """A ball moved along +z in the planes lies along +z in both meshes."""
    triplane = ball_triplane(0.3).clone()
    axis = (torch.arange(64) + 0.5) / 32 - 1
    triplane[0, 2, 0] = ((axis - 0.5) ** 2 - 0.03).expand(64, 64)  # plane 2 is read at (z, x): z along the width
    field = reading_squares(FlexiCubesField(1, 4), 1)
    center = flexicubes_mesh(field, triplane, FlexiCubesGrid(32)).vertices.mean(axis=0)
    assert center == pytest.approx([0, 0, 0.225], abs=0.01)
    center = density_mesh(reading_squares(DensityField(1, 4), -1), triplane, 33, 0.0).vertices.mean(axis=0)
    assert center == pytest.approx([0, 0, 0.225], abs=0.01)


@torch.no_grad()
def test_values_that_are_no_numbers_are_refused():
    triplane = torch.full((1, 3, 4, 8, 8), torch.nan)
    with pytest.raises(ValueError, match="finite"):
        flexicubes_mesh(FlexiCubesField(4, 8), triplane, FlexiCubesGrid(8))
    with pytest.raises(ValueError, match="finite"):
        density_mesh(DensityField(4, 8), triplane, points=8)
