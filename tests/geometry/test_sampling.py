# SPDX-License-Identifier: GPL-3.0-or-later
"""Farthest-point sampling and uniform points."""

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import MeshData
from backend.geometry.farthest_point import farthest_points
from backend.geometry.surface_sampling import stratified_surface_points
from backend.geometry.trimesh_conversion import from_trimesh


def plain_farthest_points(cloud: torch.Tensor, count: int, start: int) -> list[int]:
    picks = [start]
    while len(picks) < count:
        offset = cloud[:, None] - cloud[picks][None]
        picks.append(int((offset * offset).sum(-1).amin(dim=1).argmax()))
    return picks


@pytest.mark.parametrize("size", [200, 5000])  # the direct and the block-wise search
@pytest.mark.parametrize("flat", [False, True])
def test_order_is_that_of_a_plain_loop(size, flat):
    clouds = torch.randn(2, size, 3, generator=torch.Generator().manual_seed(size))
    if flat:
        clouds[..., 2] = 0
    picks = farthest_points(clouds, 60, start=7)
    assert picks.tolist() == [plain_farthest_points(cloud, 60, 7) for cloud in clouds]


def test_prefix_is_the_smaller_sampling():
    cloud = torch.rand(1, 3000, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(farthest_points(cloud, 100)[:, :40], farthest_points(cloud, 40))


def test_all_points_of_a_cloud_are_picked_once():
    cloud = torch.rand(1, 2000, 3, generator=torch.Generator().manual_seed(1))
    assert sorted(farthest_points(cloud, 2000)[0].tolist()) == list(range(2000))


def test_coincident_points_and_impossible_counts():
    assert farthest_points(torch.zeros(1, 4000, 3), 3).tolist() == [[0, 0, 0]]
    assert farthest_points(torch.zeros(1, 0, 3), 0).shape == (1, 0)
    with pytest.raises(ValueError, match="cannot pick"):
        farthest_points(torch.zeros(1, 5, 3), 6)
    with pytest.raises(ValueError, match="first pick"):
        farthest_points(torch.zeros(1, 5, 3), 2, start=5)


def test_uniform_points_lie_on_their_faces_in_proportion_to_area():
    mesh = from_trimesh(trimesh.creation.box(extents=[4.0, 1.0, 1.0]))
    points, face = stratified_surface_points(mesh, 9000, generator=torch.Generator().manual_seed(0))
    assert points.shape == (9000, 3)
    area = np.linalg.norm(mesh.area_vectors(), axis=1)
    assert np.bincount(face, minlength=12) == pytest.approx(9000 * area / area.sum(), rel=0.05)
    normal = mesh.area_vectors()[face] / area[face][:, None]
    assert np.abs(((points.numpy() - mesh.corners()[face, 0]) * normal).sum(axis=1)).max() < 1e-6
    assert np.abs(points.numpy() / [4.0, 1.0, 1.0]).max() <= 0.5 + 1e-6
    assert points.mean(dim=0).abs().max() < 0.05


def test_every_face_gives_a_point():
    big, tiny = [[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[2, 0, 0], [2 + 1e-4, 0, 0], [2, 1e-4, 0]]
    mesh = MeshData(np.array(big + tiny), np.array([[0, 1, 2], [3, 4, 5]]))
    drawn = [stratified_surface_points(mesh, 50, generator=torch.Generator().manual_seed(i))[1] for i in range(20)]
    assert all(len(face) == 50 for face in drawn)
    assert any((face == 1).any() for face in drawn)


def test_same_seed_same_points():
    mesh = from_trimesh(trimesh.creation.icosphere(2))
    first, second = (stratified_surface_points(mesh, 500, generator=torch.Generator().manual_seed(3))[0] for _ in "ab")
    assert torch.equal(first, second)


def test_no_area_is_an_error():
    with pytest.raises(ValueError, match="area"):
        stratified_surface_points(MeshData.empty(), 10, generator=torch.Generator())
