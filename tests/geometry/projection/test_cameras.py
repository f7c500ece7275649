# SPDX-License-Identifier: GPL-3.0-or-later
"""Where cameras stand and how they map points."""

import pytest
import torch

from backend.geometry.projection import orbit_cameras


def test_centers():
    centers = orbit_cameras([(0, 0), (0, 90), (90, 0), (30, 180)]).centers
    expected = [[0, 0, 4], [4, 0, 0], [0, 4, 0], [0, 2, -(12**0.5)]]
    torch.testing.assert_close(centers, torch.tensor(expected), atol=1e-6, rtol=0)


def test_ndc_points_left_and_up_and_depth_is_a_length():
    point = torch.tensor([[0.3, 0.2, 0.5]])
    front, right = orbit_cameras([(0, 0), (0, 90)]).to_screen(point)
    torch.testing.assert_close(front[0], torch.tensor([-0.3, 0.2, 3.5]), atol=1e-6, rtol=0)
    torch.testing.assert_close(right[0], torch.tensor([0.5, 0.2, 3.7]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("elevation", [-90.0, 90.0])
@pytest.mark.parametrize("azimuth", [0.0, 70.0])
def test_rotation_is_proper_from_straight_above_and_below(elevation, azimuth):
    rotation = orbit_cameras([(elevation, azimuth)]).rotation[0]
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.linalg.det(rotation) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("field_of_view", [None, 40.0])
def test_full_projection_agrees_with_to_screen(field_of_view):
    cameras = orbit_cameras([(10, 20), (-40, 200)], distance=5.0, half_width=1.5, field_of_view=field_of_view)
    points = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    homogeneous = torch.nn.functional.pad(points, (0, 1), value=1.0) @ cameras.full_projection()
    screen = cameras.to_screen(points)
    torch.testing.assert_close(homogeneous[..., :2] / homogeneous[..., 3:], screen[..., :2], atol=1e-5, rtol=0)
    normalized_depth = homogeneous[..., 2] / homogeneous[..., 3]
    assert ((normalized_depth > 0) & (normalized_depth < 1)).all()


def test_half_width_and_field_of_view_reach_the_border():
    at_border = torch.tensor([[2.0, 0.0, 0.0]])
    assert orbit_cameras([(0, 0)], half_width=2.0).to_screen(at_border)[0, 0, 0] == pytest.approx(-1.0)
    screen = orbit_cameras([(0, 0)], distance=2.0, field_of_view=90.0).to_screen(at_border)
    assert screen[0, 0, 0] == pytest.approx(-1.0, abs=1e-6)


def test_selection():
    cameras = orbit_cameras([(0, 0), (0, 90), (30, 0)])
    assert len(cameras[1:]) == 2
    assert torch.equal(cameras[[2, 0]].centers, cameras.centers[[2, 0]])
