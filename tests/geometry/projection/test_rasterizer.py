# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasterizer against one that tests every pixel with every face, against a sphere, and at its edges."""

import numpy as np
import pytest
import torch

from backend.geometry.projection import UVMesh, orbit_cameras, rasterize, rasterize_views, view_geometry

from .meshes import globe, joined, quad


def brute_force(screen, faces, size, perspective, cull, layers):
    """Every pixel with every face, in float32 as the spec writes it: faces [layers, H, W]."""
    height, width = size
    shorter = min(size)
    one = np.float32

    def axis(count):
        half = one(count / shorter)
        index = np.arange(count, dtype=np.float32)[::-1]
        return -half + (one(2) * half * index + half) / one(count)

    def edge(px, py, a, b):
        return (px - a[0]) * (b[1] - a[1]) - (py - a[1]) * (b[0] - a[0])

    x, y = np.meshgrid(axis(width), axis(height))
    depths = np.full((len(faces), height, width), np.inf, np.float32)
    for f, face in enumerate(faces):
        a, b, c = screen[face]
        area = edge(c[0], c[1], a, b)
        if (cull and edge(a[0], a[1], b, c) < 0) or abs(edge(a[0], a[1], b, c)) <= 1e-8:
            continue
        if min(a[2], b[2], c[2]) < 1e-8:
            continue
        denominator = one(area)
        w = np.stack([edge(x, y, b, c), edge(x, y, c, a), edge(x, y, a, b)]) / denominator
        inside = (w > 0).all(axis=0)
        if perspective:
            w = w / np.array([a[2], b[2], c[2]], np.float32)[:, None, None]
            w = w / (w[0] + w[1] + w[2])
        depth = w[0] * a[2] + w[1] * b[2] + w[2] * c[2]
        depths[f] = np.where(inside & (depth >= 0), depth, np.inf)
    order = np.argsort(depths, axis=0, kind="stable")[:layers]
    found = np.isfinite(np.take_along_axis(depths, order, axis=0))
    return np.where(found, order, -1)


@pytest.mark.parametrize("size", [(40, 40), (33, 57), (64, 20)])
@pytest.mark.parametrize(("perspective", "cull", "layers"), [(False, True, 1), (True, True, 1), (False, False, 4)])
def test_random_triangles(size, perspective, cull, layers):
    rng = np.random.default_rng(size[0] + layers)
    screen = rng.uniform([-1.6, -1.6, 0.5], [1.6, 1.6, 4.0], (60, 3)).astype(np.float32)
    screen[::7, 2] = -0.5
    screen[10:20, :2] = screen[10, :2] + rng.uniform(-0.2, 0.2, (10, 2)).astype(np.float32)
    faces = rng.integers(0, 60, (70, 3)).astype(np.int32)
    faces[35:] = faces[rng.permutation(35)]  # doubles, so that depths tie
    arguments = {"perspective": perspective, "cull": cull, "layers": layers}
    found = rasterize(torch.from_numpy(screen), torch.from_numpy(faces), size, **arguments).face
    expected = brute_force(screen, faces, size, perspective, cull, layers)
    assert (expected[0] >= 0).mean() > 0.1
    np.testing.assert_array_equal(found.numpy(), expected[: len(found)])
    assert (expected[len(found) :] == -1).all()


def test_the_nearest_face_wins_and_the_first_of_equally_near_ones():
    width = (-0.5, 0.61)
    mesh = joined(quad(width, z=0.0), quad(width, z=0.5), quad(width, z=0.5), quad(width, z=-0.5))
    face = rasterize_views(mesh, orbit_cameras([(0, 0), (0, 180)]), 33).face
    assert set(face[0].unique().tolist()) == {-1, 2, 3}
    assert set(face[1].unique().tolist()) == {-1}, "backs are culled"
    assert set(rasterize_views(mesh, orbit_cameras([(0, 180)]), 33, cull=False).face.unique().tolist()) == {-1, 6, 7}


def test_layers_come_from_near_to_far_and_end_when_they_are_empty():
    mesh = joined(quad(z=0.0), quad(z=0.5), quad(z=-0.5))
    screen = orbit_cameras([(0, 0)]).to_screen(mesh.vertices)[0]
    fragments = rasterize(screen, mesh.faces, (9, 9), layers=5)
    assert len(fragments.face) == 3
    assert fragments.face[:, 4, 3].tolist() == [3, 1, 5]
    assert fragments.depth[:, 4, 3].tolist() == pytest.approx([3.5, 4.0, 4.5])


def test_pixel_centers_on_an_edge_belong_to_no_face():
    face = rasterize_views(quad((-1.0, 1.0), (-1.0, 1.0)), orbit_cameras([(0, 0)]), 8).face[0]
    assert (face.flip(1).diagonal() == -1).all()
    assert (face >= 0).sum() == 64 - 8


def test_right_is_right_and_up_is_up():
    face = rasterize_views(quad((0.2, 0.8), (0.3, 0.9)), orbit_cameras([(0, 0)]), 100).face[0]
    row, column = (face >= 0).nonzero().unbind(1)
    assert (column.min(), column.max(), row.min(), row.max()) == (60, 89, 5, 34)


def test_a_wide_image_spans_its_shorter_side():
    face = rasterize_views(quad((-1.0, 1.0), (-1.0, 1.0)), orbit_cameras([(0, 0)]), (50, 150)).face[0]
    assert (face[:, :50] == -1).all()
    assert (face[:, 100:] == -1).all()
    assert (face[:, 50:100] >= 0).float().mean() > 0.97


def test_a_face_larger_than_the_image_is_whole():
    corners = torch.tensor([[-40.0, -30.0, 0.0], [50.0, -30.0, 0.0], [0.0, 60.0, 0.0]])
    mesh = UVMesh.of(corners, torch.tensor([[0, 1, 2]]), corners[:, :2], torch.tensor([[0, 1, 2]]))
    assert (rasterize_views(mesh, orbit_cameras([(0, 0)]), 300).face == 0).all()


def test_perspective_of_a_sphere():
    """Depth and silhouette of a fine mesh against rays that meet the sphere itself."""
    radius, distance, angle, size = 0.8, 3.0, 45.0, 120
    cameras = orbit_cameras([(20, 30)], distance=distance, field_of_view=angle)
    mesh = globe(radius, 300, 600)
    fragments = rasterize_views(mesh, cameras, size)
    slope = np.tan(np.radians(angle / 2)) * (1 - (2 * np.arange(size) + 1) / size)
    x, y = np.meshgrid(slope, slope)
    along = distance / np.sqrt(x**2 + y**2 + 1)
    root = along**2 - (distance**2 - radius**2)
    depth = (along - np.sqrt(np.maximum(root, 0))) / np.sqrt(x**2 + y**2 + 1)
    hit, inner = fragments.mask[0].numpy(), root > 0.02
    assert hit[inner].mean() > 0.999
    assert not hit[root < -0.005].any()
    np.testing.assert_allclose(fragments.depth[0].numpy()[hit & inner], depth[hit & inner], atol=3e-4)
    position = view_geometry(mesh, cameras, fragments).position[0][torch.from_numpy(hit)]
    assert (position.norm(dim=1) - radius).abs().max() < 1e-3


def test_perspective_interpolation_is_linear_in_space():
    """A plane that recedes: the middle of the image shows not the middle of its texture, but what lies there."""
    corners = torch.tensor([[-3.0, 0.0, 2.0], [3.0, 0.0, 2.0], [3.0, 0.0, -6.0], [-3.0, 0.0, -6.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    mesh = UVMesh.of(corners, faces, (corners[:, [0, 2]] + 6) / 12, faces)
    cameras = orbit_cameras([(25, 0)], field_of_view=50.0)
    geometry = view_geometry(mesh, cameras, rasterize_views(mesh, cameras, 64))
    shown = geometry.mask[0]
    assert shown.float().mean() > 0.5
    torch.testing.assert_close(geometry.uv[0][shown], (geometry.position[0][shown][:, [0, 2]] + 6) / 12)
    assert geometry.position[0][shown][:, 1].abs().max() < 1e-5
    screen = cameras.to_screen(geometry.position[0].reshape(-1, 3)).view(64, 64, 3)
    axis = 1 - (2 * torch.arange(64) + 1) / 64
    columns, rows = torch.meshgrid(axis, axis, indexing="xy")
    expected = torch.stack([columns, rows], dim=-1)
    torch.testing.assert_close(screen[..., :2][shown], expected[shown], atol=1e-4, rtol=0)


def test_faces_at_or_behind_a_perspective_camera_are_left_out():
    behind, before = quad(z=5.0), quad(z=0.0)
    face = rasterize_views(joined(behind, before), orbit_cameras([(0, 0)], field_of_view=60.0), 33).face
    assert set(face.unique().tolist()) == {-1, 2, 3}


def test_a_view_of_nothing():
    fragments = rasterize_views(quad((5.0, 6.0)), orbit_cameras([(0, 0)]), 16)
    assert not fragments.mask.any()
    assert not fragments.depth.any()
    assert not fragments.barycentric.any()
