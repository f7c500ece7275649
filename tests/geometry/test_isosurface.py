# SPDX-License-Identifier: GPL-3.0-or-later
"""Iso-surfaces: geometry of the result, and both implementations against each other."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from backend.geometry.components import is_watertight
from backend.geometry.isosurface import extract_isosurface, extract_with_skimage, extract_with_warp


def ball_grid(radius: float, resolution: int = 40, center=(0.03, -0.02, 0.01)) -> torch.Tensor:
    axis = torch.linspace(-1, 1, resolution + 1)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    return radius - (points - torch.tensor(center)).norm(dim=-1)


@pytest.mark.parametrize("extract", [extract_with_skimage, extract_with_warp])
def test_ball(extract):
    mesh = extract(ball_grid(0.6))
    assert is_watertight(mesh)
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)
    distance = np.linalg.norm(mesh.vertices - np.array([0.03, -0.02, 0.01]), axis=1)
    assert np.abs(distance - 0.6).max() < 1e-3


def test_axes_are_not_mixed_up():
    mesh = extract_isosurface(ball_grid(0.2, center=(0.5, -0.3, 0.1)))
    assert mesh.bounds.mean(axis=0) == pytest.approx([0.5, -0.3, 0.1], abs=0.01)


def test_both_implementations_find_the_same_vertices_and_as_many_faces():
    axis = torch.linspace(-1, 1, 49)
    x, y, z = 5 * torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    gyroid = torch.sin(x) * torch.cos(y) + torch.sin(y) * torch.cos(z) + torch.sin(z) * torch.cos(x)
    grid = gyroid + 0.0137  # no grid point lies exactly on the surface
    on_cpu, on_gpu_path = extract_with_skimage(grid), extract_with_warp(grid)
    assert len(on_cpu.vertices) == len(on_gpu_path.vertices)
    assert len(on_cpu.faces) == len(on_gpu_path.faces)
    assert cKDTree(on_cpu.vertices).query(on_gpu_path.vertices)[0].max() < 1e-6
    # The faces cut the same polygons along other diagonals, so areas agree only nearly.
    area = [np.linalg.norm(mesh.area_vectors(), axis=1).sum() for mesh in (on_cpu, on_gpu_path)]
    assert area[0] == pytest.approx(area[1], rel=1e-3)


@pytest.mark.parametrize("extract", [extract_with_skimage, extract_with_warp])
@pytest.mark.parametrize(("rounded", "vertices", "faces"), [(False, 1030, 1730), (True, 849, 1479)])
def test_ambiguous_cells_and_values_at_the_level_are_cut_as_by_pymcubes(extract, rounded, vertices, faces):
    """Counts of PyMCubes 0.1.6: noise has all ambiguous cells, rounded noise many values that equal the level."""
    noise = np.random.default_rng(0).standard_normal((9, 9, 9)).astype(np.float32)
    mesh = extract(torch.from_numpy(noise.round() if rounded else noise))
    assert (len(mesh.vertices), len(mesh.faces)) == (vertices, faces)


@pytest.mark.parametrize("extract", [extract_with_skimage, extract_with_warp])
def test_a_value_that_equals_the_level_is_outside(extract):
    grid = torch.full((5, 5, 5), -1.0)
    grid[2, 2, 2] = 0.5
    alone = extract(grid + 0.25, 0.25)
    grid[3, 2, 2] = 0.0
    assert extract(grid + 0.25, 0.25).bounds[1, 0] == pytest.approx(0.5)  # the next grid point itself, not beyond it
    assert len(extract(grid + 0.25, 0.25).faces) == len(alone.faces) == 8


@pytest.mark.parametrize("value", [-1.0, 0.5])
def test_no_crossing_gives_an_empty_mesh(value):
    assert extract_isosurface(torch.full((9, 9, 9), value)).is_empty


def test_level_moves_the_surface():
    assert extract_isosurface(ball_grid(0.6), level=0.2).volume == pytest.approx(4 / 3 * math.pi * 0.4**3, rel=0.02)


def test_solid_at_the_border_stays_open():
    mesh = extract_isosurface(ball_grid(0.5, center=(0.9, 0.0, 0.0)))
    assert not mesh.is_empty
    assert not is_watertight(mesh)


@pytest.mark.parametrize("grid", [torch.zeros(3, 4, 5), torch.full((5, 5, 5), float("nan"))])
def test_unfit_grids_are_refused(grid):
    with pytest.raises(ValueError, match="grid"):
        extract_isosurface(grid)
