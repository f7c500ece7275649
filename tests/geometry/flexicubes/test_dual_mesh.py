# SPDX-License-Identifier: GPL-3.0-or-later
"""Dual meshes are closed, face outwards, follow the distance, and cost only what the surface costs."""

from collections import Counter

import numpy as np
import pytest
import torch

from backend.contract import MeshData
from backend.geometry.flexicubes import CubeWeights, edge_deviations, extract_dual_mesh, find_surface_cubes
from backend.geometry.flexicubes import cube_tables as tables


def grid_positions(side):
    axis = torch.linspace(-1, 1, side)
    return torch.cartesian_prod(axis, axis, axis)


def mesh_of(distance, weights=None, split="diagonal"):
    surface = find_surface_cubes(distance)
    positions, near = grid_positions(len(distance))[surface.points], distance.flatten()[surface.points]
    weights = weights or CubeWeights.even(len(surface.cubes), near)
    return extract_dual_mesh(surface, positions, near, weights, split)


def as_data(mesh):
    return MeshData(mesh.vertices.detach().numpy(), mesh.faces.numpy())


def random_distance(seed, side=7, share=0.5):
    """Noise of independent signs, outside everywhere on the grid's border."""
    generator = torch.Generator().manual_seed(seed)
    distance = torch.rand(side, side, side, generator=generator) - share
    for axis in range(3):
        distance.select(axis, 0).abs_()
        distance.select(axis, -1).abs_()
    return distance


def directed_edges(faces):
    return Counter(tuple(edge) for face in faces.tolist() for edge in zip(face, face[1:] + face[:1], strict=True))


@pytest.mark.parametrize("split", ["diagonal", "center"])
@pytest.mark.parametrize("offset", [(0, 0, 0), (0.13, -0.07, 0.21)])
def test_a_ball_is_closed_and_has_its_volume(split, offset):
    positions = grid_positions(33)
    distance = ((positions - torch.tensor(offset)).norm(dim=-1) - 0.6).view(33, 33, 33)
    mesh = mesh_of(distance, split=split)
    edges = directed_edges(mesh.faces)
    assert set(edges.values()) == {1}
    assert all(edges[b, a] == 1 for a, b in edges)
    assert as_data(mesh).volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.02)
    radii = (mesh.vertices - torch.tensor(offset)).norm(dim=-1)
    assert (radii - 0.6).abs().max() < 2 / 32


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_noise_with_every_ambiguity_is_closed(seed, share):
    """Every edge is passed as often in one direction as in the other."""
    edges = directed_edges(mesh_of(random_distance(seed, share=share)).faces)
    assert all(edges[b, a] == count for (a, b), count in edges.items())


def test_repaired_ambiguities_leave_no_edge_with_four_faces():
    """Without the repair, flagged neighbors would share an edge between four quads."""
    repaired = unrepaired = 0
    for seed in range(12):
        distance = random_distance(seed, side=9, share=0.8)
        surface = find_surface_cubes(distance)
        own = as_cases(surface)
        differs = (torch.from_numpy(tables.edge_groups())[own] != surface.groups).any(dim=1)
        repaired += int(differs.sum())
        unrepaired += max(directed_edges(mesh_of(distance).faces).values()) > 1
    assert repaired > 0
    assert unrepaired == 0


def as_cases(surface):
    bits = surface.inside.flatten()[surface.points][surface.corners].long()
    return (bits << torch.arange(8)).sum(dim=1)


def test_table_follows_the_rule():
    """36 flagged cases; every sign-changing edge in one group; complement cases without ambiguity alike."""
    assert tables.faces_to_repair().any(axis=1).sum() == 36
    assert tables.vertex_counts().max() == tables.MOST_VERTICES
    for case, inside in enumerate(tables.inside_corners()):
        changes = inside[tables.EDGES[:, 0]] != inside[tables.EDGES[:, 1]]
        assert np.array_equal(tables.edge_groups()[case] >= 0, changes)
    alternating = int(sum(1 << m for m in (0, 3, 5, 6)))
    assert tables.vertex_counts()[alternating] == 4  # four inside corners, all separated


def test_cubes_without_surface_are_not_looked_at():
    distance = torch.ones(17, 17, 17)
    distance[8, 8, 8] = -1
    surface = find_surface_cubes(distance)
    assert len(surface.cubes) == 8
    assert len(surface.points) == 27
    assert len(mesh_of(distance).faces) == 12


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_no_change_of_sign_is_an_empty_mesh(value):
    mesh = mesh_of(torch.full((5, 5, 5), value))
    assert len(mesh.vertices) == len(mesh.faces) == 0


def test_a_solid_that_reaches_the_border_is_open_there():
    distance = grid_positions(9)[:, 2].view(9, 9, 9) + 0.03
    mesh = mesh_of(distance)
    assert len(mesh.faces) == 2 * 7 * 7
    normals = MeshData(mesh.vertices.numpy(), mesh.faces.numpy()).area_vectors()
    assert (normals[:, 2] > 0).all()  # outwards is where the distance is positive


def test_a_distance_of_zero_is_outside():
    distance = torch.ones(5, 5, 5)
    distance[2, 2, 2] = -1
    distance[3, 2, 2] = 0
    mesh = as_data(mesh_of(distance))
    assert mesh.volume > 0
    assert np.isfinite(mesh.vertices).all()


def test_gradients_reach_distance_positions_and_weights():
    distance = random_distance(3, share=0.6).requires_grad_()
    surface = find_surface_cubes(distance.detach())
    positions = grid_positions(len(distance))[surface.points].requires_grad_()
    raw = torch.randn(len(surface.cubes), 21, requires_grad=True)
    near = distance.flatten()[surface.points]
    mesh = extract_dual_mesh(surface, positions, near, CubeWeights.from_raw(raw), "center")
    deviations = edge_deviations(surface, positions, near, CubeWeights.from_raw(raw))
    (mesh.vertices.square().sum() + deviations.mean()).backward()
    for given in (distance, positions, raw):
        assert given.grad.isfinite().all()
        assert given.grad.abs().sum() > 0
