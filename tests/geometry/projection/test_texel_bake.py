# SPDX-License-Identifier: GPL-3.0-or-later
"""Visibility by depth, and baking from the texture's side."""

import pytest
import torch

from backend.geometry.projection import (
    Projector,
    UVMesh,
    bake_texels,
    orbit_cameras,
    rasterize_uvs,
    rasterize_views,
    view_geometry,
    visible_texels,
)
from tests.parity.published.projection import PublishedProjector

from .meshes import RIG, globe, joined, quad


def colors_at(positions):
    """A smooth color field [..., 3] in space."""
    return 0.5 + 0.5 * torch.sin(4.0 * positions)


def photographed(mesh, cameras, size):
    """Views [V, 3, S, S] of the field on the mesh, on black."""
    geometry = view_geometry(mesh, cameras, rasterize_views(mesh, cameras, size))
    return (colors_at(geometry.position) * geometry.mask[..., None]).permute(0, 3, 1, 2)


def painted(mesh, size):
    """The field at every texel's center, and which texels the mesh covers."""
    layout = rasterize_uvs(mesh, size, layers=1)
    corners = mesh.vertices[mesh.faces.long()[layout.face[0].clamp(min=0).long()]]
    return colors_at((layout.barycentric[0][..., None] * corners).sum(dim=2)).permute(2, 0, 1), layout.mask[0]


@pytest.mark.parametrize("field_of_view", [None, 35.0])
@pytest.mark.parametrize("size", [(60, 90), (300, 300), (160, 40)])
def test_colors_come_back_in_textures_of_any_size(field_of_view, size):
    mesh, cameras = globe(0.8, 60, 120), orbit_cameras(RIG, field_of_view=field_of_view)
    baked = bake_texels(mesh, cameras, photographed(mesh, cameras, 128), size, 6.0)
    expected, covered = painted(mesh, size)
    difference = (baked.texture - expected).abs().amax(dim=0)
    seen, seen_well = covered & (baked.weight > 0), covered & (baked.weight > 0.5**6)
    assert seen.sum() > 0.8 * covered.sum()
    assert difference[seen].median() < 2e-3
    assert difference[seen_well].max() < 0.03
    assert seen_well.sum() > 0.6 * covered.sum()
    assert baked.texture.shape == (3, *size)
    assert baked.texture.isfinite().all()


def test_the_ground_behind_an_object_does_not_bleed_onto_it():
    mesh, cameras = globe(), orbit_cameras(RIG)
    views = torch.where(rasterize_views(mesh, cameras, 64).mask[:, None], 0.7, -50.0).expand(-1, 3, -1, -1)
    torch.testing.assert_close(bake_texels(mesh, cameras, views, 100, 1.0).texture, torch.full((3, 100, 100), 0.7))


def test_what_one_thing_hides_of_another_keeps_its_own_color():
    """A small square before a large one: the large one's texels behind it take no color of it."""
    wall, sign = quad((-0.9, 0.9), (-0.9, 0.9)), quad((-0.3, 0.3), (-0.3, 0.3), z=0.4)
    wall = wall.with_uvs(wall.uvs * torch.tensor([0.5, 1.0]))
    sign = sign.with_uvs(sign.uvs * torch.tensor([0.4, 1.0]) + torch.tensor([0.6, 0.0]))
    mesh, cameras = joined(wall, sign), orbit_cameras([(0.0, 0.0)])
    face = rasterize_views(mesh, cameras, 90).face
    views = torch.where(face[:, None] >= 2, 1.0, 0.2).expand(1, 3, 90, 90)
    baked = bake_texels(mesh, cameras, views, 80, 1.0)
    torch.testing.assert_close(baked.texture[:, :, :40], torch.full((3, 80, 40), 0.2))
    torch.testing.assert_close(baked.texture[:, :, 49:79], torch.full((3, 80, 30), 1.0))
    hidden = baked.weight[:, :40] == 0
    assert hidden.float().mean() == pytest.approx(1 / 9, abs=0.03)


def test_half_hidden_faces_are_seen_in_part():
    """The published rule sees the whole of a face that has one pixel."""
    wall, sign = quad((-0.9, 0.9), (-0.9, 0.9)), quad((0.0, 0.9), (-0.9, 0.9), z=0.4)
    wall = wall.with_uvs(wall.uvs * torch.tensor([0.5, 1.0]))
    sign = sign.with_uvs(sign.uvs * torch.tensor([0.4, 1.0]) + torch.tensor([0.6, 0.0]))
    mesh, cameras = joined(wall, sign), orbit_cameras([(0.0, 0.0)])
    exact = Projector.build(mesh, cameras, 64, 80).visible[0, :, :40]
    assert exact[:, :20].all()
    assert not exact[:, 22:].any()
    assert PublishedProjector(mesh, cameras, 64, 80).visible[0, :, :40].all()


def test_faces_smaller_than_a_pixel_are_seen():
    """The published rule sees only those that happen to lie under a pixel's center."""
    mesh, cameras = globe(0.8, 150, 300), orbit_cameras([(0.0, 0.0)])
    exact = Projector.build(mesh, cameras, 64, 300, visibility_size=64).visible[0]
    published = PublishedProjector(mesh, cameras, 64, 300, visibility_size=64).visible[0]
    front = (slice(75, 225), slice(100, 200))
    assert exact[front].all()
    assert not published[front].all()
    assert not exact[5:295, :70].any()
    assert not exact[5:295, 230:].any()


@pytest.mark.parametrize("field_of_view", [None, 50.0])
def test_visible_texels_face_the_camera(field_of_view):
    mesh, cameras = globe(0.8, 60, 120), orbit_cameras(RIG, distance=3.0, field_of_view=field_of_view)
    layout = rasterize_uvs(mesh, (120, 240))
    visible = visible_texels(layout, mesh, cameras, rasterize_views(mesh, cameras, 256))
    corners = mesh.vertices[mesh.faces.long()[layout.face[0].clamp(min=0).long()]]
    position = (layout.barycentric[0][..., None] * corners).sum(dim=2)
    normal = position / 0.8
    for view, camera in enumerate(cameras.centers):
        toward = camera / camera.norm() if field_of_view is None else camera - position
        facing = (normal * torch.nn.functional.normalize(toward, dim=-1)).sum(-1)
        assert visible[view][layout.mask[0] & (facing > 0.15)].all()
        assert not visible[view][layout.mask[0] & (facing < -0.15)].any()


def test_a_mesh_that_no_view_sees_bakes_to_zero():
    baked = bake_texels(quad(), orbit_cameras([(0.0, 180.0)]), torch.ones(1, 3, 16, 16), 20, 6.0)
    assert not baked.texture.any()
    assert not baked.weight.any()


def test_a_mesh_without_area_in_its_texture_bakes_to_zero():
    mesh = quad()
    mesh = UVMesh.of(mesh.vertices, mesh.faces, mesh.uvs * 0.0, mesh.face_uvs)
    assert not bake_texels(mesh, orbit_cameras([(0.0, 0.0)]), torch.ones(1, 3, 16, 16), 20, 6.0).texture.any()
