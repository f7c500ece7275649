# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras, the sphere, the views that are chosen, and what they show."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from backend.geometry.projection import UVMesh, rasterize_views
from backend.pipelines.hunyuan3d_paint.control_maps import control_maps, normal_colors, position_colors
from backend.pipelines.hunyuan3d_paint.rig import (
    ALWAYS,
    CANDIDATES,
    HALF_WIDTH,
    RADIUS,
    Pose,
    paint_cameras,
    select_views,
)
from backend.pipelines.hunyuan3d_paint.scene import choose_poses, in_sphere
from tests.painting.colored_views import table, torus


def test_views_are_upright_and_see_the_named_side():
    cameras = paint_cameras([Pose(0, 0, 1), Pose(0, 90, 1), Pose(0, 180, 1), Pose(90, 0, 1), Pose(-90, 180, 1)])
    marks = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])
    left_up = cameras.to_screen(marks)[..., :2] * HALF_WIDTH / 0.5
    right_up = (left_up * torch.tensor([-1, 1])).round().tolist()
    assert right_up[0] == [[1, 0], [0, 1], [0, 0]]
    assert right_up[1] == [[0, 0], [0, 1], [-1, 0]]
    assert right_up[2] == [[-1, 0], [0, 1], [0, 0]]
    assert right_up[3] == [[1, 0], [0, 0], [0, -1]]  # from above, the front at the bottom
    assert right_up[4][1] == [0, 0]
    rotation = cameras.rotation.double()
    assert torch.allclose(rotation.transpose(1, 2) @ rotation, torch.eye(3, dtype=torch.float64), atol=1e-6)


def test_the_mesh_fills_the_sphere_whatever_its_size():
    mesh = torus()
    moved = UVMesh.of(mesh.vertices * 100 + torch.tensor([5.0, -3.0, 900.0]), mesh.faces, mesh.uvs, mesh.face_uvs)
    placed = in_sphere(moved)
    assert float(placed.vertices.norm(dim=1).max()) == pytest.approx(RADIUS, abs=1e-4)
    assert torch.allclose(placed.vertices, in_sphere(mesh).vertices, atol=1e-4)


def test_stray_vertices_do_not_count():
    mesh = torus()
    stray = UVMesh.of(torch.cat([mesh.vertices, torch.tensor([[50.0, 0, 0]])]), mesh.faces, mesh.uvs, mesh.face_uvs)
    assert torch.allclose(in_sphere(stray).vertices[:-1], in_sphere(mesh).vertices)


def test_further_views_are_those_that_show_more():
    areas = torch.tensor([1.0, 1.0, 0.5, 0.02, 0.01])
    seen = torch.zeros(8, 5, dtype=torch.bool)
    seen[0, 0] = True
    seen[6, 2] = seen[7, 1] = seen[7, 2] = True
    assert select_views(seen, areas, 12) == [0, 1, 2, 3, 4, 5, 7]
    assert select_views(seen, areas, 6) == [0, 1, 2, 3, 4, 5]
    seen[6, 3] = True  # less than a hundredth of all
    assert select_views(seen, areas, 12) == [0, 1, 2, 3, 4, 5, 7]


def test_a_mesh_with_hidden_places_gets_more_views():
    mesh = in_sphere(table())
    every = torch.ones(len(mesh.faces), dtype=torch.bool)
    poses = choose_poses(mesh, every, 12)
    assert poses[:ALWAYS] == list(CANDIDATES[:ALWAYS])
    assert len(set(poses)) == len(poses)
    assert len(choose_poses(mesh, every, 6)) == ALWAYS
    none = torch.zeros_like(every)
    none[0] = True
    assert len(choose_poses(mesh, none, 12)) <= len(poses)


def test_a_cancel_ends_the_choice():
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt

    mesh = in_sphere(table())
    with pytest.raises(KeyboardInterrupt):
        choose_poses(mesh, torch.ones(len(mesh.faces), dtype=torch.bool), 8, check)


def test_control_maps_show_blenders_axes_on_white():
    mesh = in_sphere(torus())
    cameras = paint_cameras(CANDIDATES[:2])
    shown = rasterize_views(mesh, cameras, 128, cull=False)
    normals, positions = control_maps(mesh, shown, 32)
    assert normals.shape == positions.shape == (2, 32, 32, 3)
    assert normals.dtype == torch.uint8
    assert (normals[0, 0, 0] == 255).all()
    assert (positions[0, 0, 0] == 255).all()
    front = normals[0, 16, 28].tolist()  # a place on the ring's right that faces the front: Blender's -Y
    assert front[1] < 60
    # Blender's x grows to the right in the front view, y in the view from the right.
    _, positions = control_maps(mesh, shown, 128)
    for view, channel in ((0, 0), (1, 1)):
        row = positions[view, 64][positions[view, 64].amin(dim=1) < 255][:, channel].tolist()
        assert all(a <= b + 2 for a, b in pairwise(row))
        assert row[-1] - row[0] > 50


def test_colors_of_the_sphere_lie_within_bounds():
    directions = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(0).normal(size=(500, 3))), dim=1)
    for colors in (normal_colors(directions), position_colors(directions * RADIUS)):
        assert (colors >= -1e-9).all()
        assert (colors <= 1 + 1e-9).all()
    up = torch.tensor([0.0, 1.0, 0.0])
    assert normal_colors(up).tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert math.isclose(float(position_colors(up * RADIUS)[2]), 1.0, abs_tol=1e-6)
