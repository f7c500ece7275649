# SPDX-License-Identifier: GPL-3.0-or-later
"""Views that agree arrive on the surface as what they show, with their weights, and nothing else does."""

import math

import pytest
import torch

from backend.geometry.projection import orbit_cameras, rasterize_uvs, rasterize_views
from backend.painting.view_bake import BakeSettings, bake_views, trusted_pixels
from backend.painting.view_blend import ViewBlend

from .colored_views import POSES, Colored, psnr, table, torus


@pytest.mark.parametrize(("make", "least"), [(torus, 60.0), (table, 60.0)])
def test_texels_get_what_the_views_show(make, least):
    colored = Colored.of(make(), 256, 256)
    texture, known = bake_views(colored.mesh, colored.cameras, colored.shown, colored.images, [1.0] * len(POSES),
                                colored.layout, BakeSettings(margin=1))
    assert not (known & ~colored.covered).any()
    assert (known.sum() / colored.covered.sum()) > 0.6
    assert psnr(texture[known], colored.truth[known]) > least
    assert (texture[~known] == 0).all()


def test_any_number_of_channels_and_bytes():
    colored = Colored.of(torus(), 128, 64)
    five = torch.cat([colored.images, colored.images[..., :2]], dim=-1)
    arguments = (colored.mesh, colored.cameras, colored.shown)
    rest = ([1.0] * len(POSES), colored.layout, BakeSettings(margin=1))
    texture, _ = bake_views(*arguments, five, *rest)
    assert torch.equal(texture[..., 3:], texture[..., :2])
    rounded, _ = bake_views(*arguments, (five * 255).round().byte(), *rest)
    assert (rounded - texture).abs().max() < 1.1 / 255


def test_steep_surfaces_take_no_color():
    colored = Colored.of(torus(), 128, 128, POSES[:1])
    areas = {}
    for steepest in (20.0, 75.0):
        _, known = bake_views(colored.mesh, colored.cameras, colored.shown, colored.images, [1.0], colored.layout,
                              BakeSettings(steepest=steepest, margin=0))
        a, b, c = colored.mesh.vertices[colored.mesh.faces.long()].unbind(1)
        normals = torch.nn.functional.normalize((b - a).cross(c - a, dim=1), dim=1)
        faces = colored.layout.face[0][known].long()
        assert (normals[faces, 2] >= math.cos(math.radians(steepest)) - 1e-5).all()
        areas[steepest] = int(known.sum())
    assert 0 < areas[20.0] < areas[75.0]


def test_margins_keep_away_from_outlines():
    mesh = table()
    shown = rasterize_views(mesh, orbit_cameras([(30.0, 0.0)]), 128, cull=False)
    whole, inner = trusted_pixels(shown, 0)[0], trusted_pixels(shown, 3)[0]
    assert (inner & ~whole).sum() == 0
    assert inner.sum() < whole.sum() < shown.mask[0].sum()  # the slab's edge is before the block
    row, column = inner.nonzero().unbind(1)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            assert whole[(row + dy).clamp(0, 127), (column + dx).clamp(0, 127)].all()


def test_a_face_turned_away_or_hidden_takes_nothing():
    colored = Colored.of(table(), 128, 128, [(0.0, 0.0)])
    _, known = bake_views(colored.mesh, colored.cameras, colored.shown, colored.images, [1.0], colored.layout,
                          BakeSettings(margin=0))
    seen = set(colored.shown.face.unique().tolist())
    assert set(colored.layout.face[0][known].unique().tolist()) <= seen


def test_views_are_weighed_and_left_out_when_they_add_nothing():
    blend = ViewBlend(4, 1, exponent=2.0)
    assert blend.add(torch.full((4, 1), 1.0), torch.tensor([1.0, 0.5, 0.0, 0.0]), 1.0)
    assert blend.add(torch.full((4, 1), 0.0), torch.tensor([1.0, 1.0, 1.0, 0.0]), 0.5)
    assert not blend.add(torch.full((4, 1), 9.0), torch.tensor([1.0, 1.0, 1.0, 0.0]), 1.0)
    colors, known = blend.result()
    assert colors[:, 0].tolist() == pytest.approx([1.0 / 1.5, 0.25 / 0.75, 0.0, 0.0])
    assert known.tolist() == [True, True, True, False]


def test_nothing_seen_is_no_texture():
    colored = Colored.of(torus(), 64, 64)
    away = orbit_cameras([(0.0, 0.0)], half_width=1.0)
    blank = rasterize_views(colored.mesh, away, 64, cull=False)
    texture, known = bake_views(colored.mesh, away, blank, colored.images[:1], [0.0],
                                rasterize_uvs(colored.mesh, (64, 64), layers=1), BakeSettings())
    assert not known.any()
    assert not texture.any()
