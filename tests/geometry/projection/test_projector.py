# SPDX-License-Identifier: GPL-3.0-or-later
"""Texels, bake and rendering: against the spec's sums written out densely, and by what must hold for any mesh."""

import numpy as np
import pytest
import torch

from backend.geometry.projection import (
    Projector,
    UVMesh,
    area_weighted_normals,
    nearest_seeds,
    orbit_cameras,
    rasterize_views,
    view_geometry,
    view_texels,
)
from tests.parity.published.projection import PublishedProjector

from .meshes import RIG, globe, joined, quad


def random_views(projector, channels=3, seed=0):
    size = projector.view_size
    return torch.randn(len(projector.texels), channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_cosine_of_a_sphere():
    """Toward the camera's center, not along the orthographic rays."""
    cameras, mesh = orbit_cameras(RIG), globe(0.8, 100, 200)
    geometry = view_geometry(mesh, cameras, rasterize_views(mesh, cameras, 48))
    normal = torch.nn.functional.normalize(geometry.position, dim=-1)
    to_center = torch.nn.functional.normalize(cameras.centers[:, None, None] - geometry.position, dim=-1)
    expected = (normal * to_center).sum(-1).clamp(0, 1)
    assert (geometry.cosine - expected)[geometry.mask].abs().max() < 2e-3
    assert geometry.mask.float().mean() == pytest.approx(np.pi * 0.8**2 / 4, rel=0.02)
    assert not geometry.cosine[~geometry.mask].any()


def test_normals_are_weighted_by_area():
    mesh = joined(quad((0.0, 1.0), (0.0, 1.0)), quad((0.0, 1.0), (0.0, 1.0)))
    vertices = mesh.vertices.clone()
    vertices[4:] = vertices[4:, [2, 1, 0]] * 3
    faces = mesh.faces.clone()
    faces[faces == 4] = 0
    expected = torch.nn.functional.normalize(torch.tensor([-9.0, 0.0, 1.0]), dim=0)
    torch.testing.assert_close(area_weighted_normals(vertices, faces)[0], expected)


def test_texel_centers_are_aligned_with_corners_and_halves_go_to_even():
    """A strip of 5 texels: u = j / 4 is a texel, and between two of them the even one is taken."""
    cameras = orbit_cameras([(0, 0)])
    u = torch.tensor([0.0, 0.125, 0.375, 0.6, 0.625, 1.0, 1.7, -0.3])
    found = []
    for value in u:
        mesh = quad()
        mesh = mesh.with_uvs(torch.stack([value, torch.tensor(1.0)]).expand(4, 2).contiguous())
        texel, _ = view_texels(mesh, cameras, rasterize_views(mesh, cameras, 5), (3, 5))
        found.append(texel[0, 2, 1].item())
    assert found == [0, 0, 2, 2, 2, 4, 4, 0]


def test_rows_count_from_the_top():
    mesh, cameras = quad((-1.0, 1.0), (-1.0, 1.0)), orbit_cameras([(0, 0)])
    texel, _ = view_texels(mesh, cameras, rasterize_views(mesh, cameras, 63), (20, 30))
    assert (texel[0, 0, 0], texel[0, 1, 62], texel[0, 61, 0]) == (0, 29, 19 * 30)


@pytest.mark.parametrize("fill_cosine", [True, False])
def test_a_constant_bakes_to_itself(fill_cosine):
    projector = Projector.build(
        globe(), orbit_cameras(RIG), 32, (48, 80), fill_cosine=fill_cosine, visibility_size=128
    )
    views = torch.tensor([0.25, -3.0]).view(1, 2, 1, 1).expand(10, 2, 32, 32)
    texture = projector.bake(views, 1.0).texture
    assert texture.shape == (2, 48, 80)
    torch.testing.assert_close(texture, views[0, :, :1, :1].expand(2, 48, 80))


def test_baking_what_was_rendered_changes_nothing_that_is_seen():
    """Each pixel sees one texel, so the views agree about it: the texture comes back wherever some view has a say."""
    projector = Projector.build(globe(), orbit_cameras(RIG), 64, 40, fill_cosine=False, visibility_size=256)
    texture = torch.randn(4, 40, 40, generator=torch.Generator().manual_seed(0))
    views = projector.render(texture)
    assert torch.equal(views[:, 4] > 0, projector.mask)
    assert (views[:, :4].transpose(0, 1)[:, ~projector.mask] == 1.0).all()
    baked = projector.bake(views[:, :4], 6.0)
    decided = baked.weight > 0
    assert decided.float().mean() > 0.5
    torch.testing.assert_close(baked.texture[:, decided], texture[:, decided])
    again = projector.bake(projector.render(baked.texture)[:, :4], 6.0).texture
    torch.testing.assert_close(again, baked.texture)


def filled(values, seeds):
    """values [H, W] of the nearest seed."""
    return values.ravel()[nearest_seeds(torch.from_numpy(seeds)).numpy()]


@pytest.mark.parametrize("fill_cosine", [True, False])
@pytest.mark.parametrize("exponent", [0.0, 2.5])
def test_bake_is_the_weighted_mean_of_the_spec(fill_cosine, exponent):
    """Spec 2.8 and 2.10 written out densely, in double."""
    size, texels_in_all = (36, 44), 36 * 44
    projector = Projector.build(globe(), orbit_cameras(RIG), 24, size, fill_cosine=fill_cosine, visibility_size=200)
    views = random_views(projector)
    total, weights = np.zeros((3, *size)), np.zeros(size)
    for view, (texels, cosines) in enumerate(zip(projector.texels.numpy(), view_cosines(24), strict=True)):
        shown = texels >= 0
        count = np.bincount(texels[shown], minlength=texels_in_all).reshape(size)
        means = [
            np.bincount(texels[shown], values[shown], texels_in_all).reshape(size) / np.maximum(count, 1)
            for values in [*views[view].double().numpy(), cosines]
        ]
        if fill_cosine:
            means = [filled(values, count > 0) for values in means]
        weight = projector.visible[view].numpy() * means[3] ** (exponent or 1.0) * (means[3] > 1e-3)
        total += weight * np.stack(means[:3])
        weights += weight
    baked = projector.bake(views, exponent)
    np.testing.assert_allclose(baked.weight.numpy(), weights, rtol=1e-4, atol=1e-6)
    blended = total / np.where(weights > 0, weights, 1)
    expected = np.stack([filled(channel, weights > 0) for channel in blended])
    np.testing.assert_allclose(baked.texture.numpy(), expected, atol=2e-5)


def view_cosines(size):
    cameras, mesh = orbit_cameras(RIG), globe()
    return view_geometry(mesh, cameras, rasterize_views(mesh, cameras, size)).cosine.double().numpy()


def test_hits_and_cosine_are_sums_over_pixels():
    projector = Projector.build(globe(), orbit_cameras(RIG), 40, 24, fill_cosine=False, visibility_size=128)
    assert torch.equal(projector.hits.sum(dim=(1, 2)), projector.mask.sum(dim=(1, 2)))
    assert ((projector.cosine > 0) <= (projector.hits > 0)).all()
    total = (projector.cosine * projector.hits).sum().item()
    assert total == pytest.approx(view_cosines(40).sum(), rel=1e-5)


def test_a_view_that_sees_nothing_has_no_say():
    mesh = quad((-0.9, 0.9), (-0.9, 0.9))
    poses = [(0.0, 0.0), (0.0, 180.0), (0.0, 30.0)]
    for fill_cosine in (True, False):
        projector = Projector.build(
            mesh, orbit_cameras(poses), 16, 20, fill_cosine=fill_cosine, visibility_size=64
        )
        assert not projector.mask[1].any()
        assert not projector.visible[1].any()
        assert not projector.cosine[1].any()
        views = random_views(projector)
        baked = projector.bake(views, 1.0)
        views[1] = torch.nan
        assert torch.equal(projector.bake(views, 1.0).texture, baked.texture)
        assert baked.texture.isfinite().all()


def test_views_that_all_see_nothing_bake_to_zero():
    projector = Projector.build(quad(), orbit_cameras([(0.0, 180.0)]), 16, 20)
    baked = projector.bake(random_views(projector), 3.0)
    assert not baked.texture.any()
    assert not baked.weight.any()
    assert (projector.render(baked.texture)[:, :3] == 1.0).all()
    assert not projector.render(baked.texture)[:, 3].any()


def chart_on(left, right, low, high):
    """A square before the camera whose chart is a part of its texture."""
    mesh = quad((-0.9, 0.9), (-0.9, 0.9))
    return mesh.with_uvs(torch.tensor([[left, low], [right, low], [right, high], [left, high]]))


@pytest.mark.parametrize("size", [(40, 40), (24, 72), (72, 24), (100, 10)])
def test_visible_texels_are_the_chart_in_textures_of_any_shape(size):
    """Also in one taller than wide, which the published pipeline gets wrong. Grown by one texel."""
    mesh = chart_on(0.2, 0.7, 0.1, 0.55)
    visible = Projector.build(mesh, orbit_cameras([(0.0, 0.0)]), 32, size, visibility_size=64).visible[0]
    height, width = size
    u, v = (np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height
    chart = ((v > 0.1) & (v < 0.55))[:, None] & ((u > 0.2) & (u < 0.7))
    rows, columns = np.nonzero(chart)
    expected = np.zeros(size, bool)
    expected[max(rows.min() - 1, 0) : rows.max() + 2, max(columns.min() - 1, 0) : columns.max() + 2] = True
    np.testing.assert_array_equal(visible.numpy(), expected)


def test_hidden_faces_are_not_visible():
    front, back = chart_on(0.0, 0.45, 0.0, 1.0), chart_on(0.55, 1.0, 0.0, 1.0)
    back = UVMesh.of(back.vertices - torch.tensor([0.0, 0.0, 0.3]), back.faces, back.uvs, back.face_uvs)
    visible = Projector.build(joined(front, back), orbit_cameras([(0.0, 0.0)]), 32, 40, visibility_size=64).visible[0]
    assert visible[:, :18].all()
    assert not visible[:, 20:].any()


def test_all_layers_of_an_overlapping_chart_count():
    """Two faces share a texel, and the one before the other in the texture's plane is the hidden one."""
    shown = chart_on(0.0, 1.0, 0.0, 1.0)
    vertices = shown.vertices * 0.5 + torch.tensor([0.0, 0.0, 0.5])
    turned = UVMesh.of(vertices, shown.faces.flip(1), shown.uvs, shown.face_uvs.flip(1))
    visible = Projector.build(joined(turned, shown), orbit_cameras([(0.0, 0.0)]), 32, 40, visibility_size=64).visible
    assert visible.float().mean() > 0.97


def test_texels_seen_at_a_grazing_angle_keep_their_color():
    """The published pipeline's epsilon darkens them."""
    mesh, cameras = chart_on(0.0, 1.0, 0.0, 1.0), orbit_cameras([(0.0, 87.5)])
    views = torch.full((1, 3, 64, 64), 0.8)
    baked = Projector.build(mesh, cameras, 64, 20).bake(views, 6.0)
    assert 0 < baked.weight.max() < 1e-6
    torch.testing.assert_close(baked.texture, torch.full((3, 20, 20), 0.8))
    assert PublishedProjector(mesh, cameras, 64, 20).bake(views, 6.0).texture.min() < 0.5


def test_the_same_twice_and_from_half_precision():
    projector = Projector.build(globe(), orbit_cameras(RIG), 32, 64, visibility_size=128)
    views = random_views(projector, 4)
    first, second = projector.bake(views, 3.0), projector.bake(views, 3.0)
    assert torch.equal(first.texture, second.texture)
    half = projector.bake(views.half(), 3.0).texture
    assert half.dtype == torch.float32
    assert torch.equal(half, projector.bake(views.half().float(), 3.0).texture)


def test_perspective_rig():
    cameras = orbit_cameras(RIG, distance=3.0, field_of_view=40.0)
    projector = Projector.build(globe(), cameras, 64, 40, fill_cosine=False, visibility_size=256)
    texture = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(4))
    baked = projector.bake(projector.render(texture)[:, :3], 6.0)
    decided = baked.weight > 0
    assert decided.float().mean() > 0.5
    torch.testing.assert_close(baked.texture[:, decided], texture[:, decided])
