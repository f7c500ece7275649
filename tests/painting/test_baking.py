# SPDX-License-Identifier: GPL-3.0-or-later
"""Several objects are baked one after the other, each from its own colors only."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from backend.contract import Cancelled, MeshData
from backend.geometry.projection import bake_texels, rasterize_views
from backend.painting.baking import EXPONENT, MARGIN, UNSEEN, bake_squares
from backend.painting.scene import PaintedScene
from backend.painting.view_bake import trusted_pixels
from backend.pipelines.flexisyncmvd.rig import CameraRig
from tests.painting.boxes import painted_box

COLORS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.2, 0.9]])
GROUND = torch.tensor([0.0, 1.0, 0.0])
FACES = 12


def photographed(*meshes: MeshData, pixels: int = 96) -> tuple[PaintedScene, Tensor]:
    """The boxes before the rig, and views of them in a color each."""
    scene = PaintedScene.build(meshes, CameraRig().cameras(), 0.9, "cpu")
    face = rasterize_views(scene.mesh, scene.cameras, pixels).face.long()
    views = torch.where(face[..., None] < 0, GROUND, COLORS[face.clamp(min=0) // FACES])
    return scene, views.permute(0, 3, 1, 2)


def test_texels_that_no_view_sees_take_a_color_of_their_own_object():
    scene, views = photographed(painted_box(), painted_box((0, 2, 0)))
    texture = bake_squares(scene.mesh, scene.cameras, views, (64, 128))
    for color, square in zip(COLORS, texture.split(64, dim=2), strict=True):
        torch.testing.assert_close(square, color[:, None, None].expand(3, 64, 64), atol=1e-5, rtol=0)


def test_what_views_show_away_from_outlines_is_kept():
    scene, views = photographed(painted_box())
    views = torch.rand(views.shape, generator=torch.Generator().manual_seed(0))
    shown = rasterize_views(scene.mesh, scene.cameras, 96)
    inner = replace(shown, depth=shown.depth * trusted_pixels(shown, MARGIN))
    expected = bake_texels(scene.mesh, scene.cameras, views, 64, EXPONENT, inner)
    seen = expected.weight > 0
    assert 0.5 < seen.float().mean() < 1.0
    baked = bake_squares(scene.mesh, scene.cameras, views, (64, 64))
    assert torch.equal(baked[:, seen], expected.texture[:, seen])


def blurred_views(*meshes: MeshData, pixels: int = 256) -> tuple[PaintedScene, Tensor]:
    """The meshes in one color before black, blurred over the outline as a decoder does."""
    scene = PaintedScene.build(meshes, CameraRig().cameras(), 0.9, "cpu")
    mask = rasterize_views(scene.mesh, scene.cameras, pixels).mask[:, None].float()
    return scene, avg_pool2d(mask, 7, 1, 3) * COLORS[0][:, None, None]


def test_the_background_does_not_darken_folds():
    """A block under a slab: what no view sees well takes the color of the surface, not of the background."""
    meshes = painted_box((0, 0, 0.9), (2, 2, 0.2)), painted_box((0, 0, 0.2), (0.5, 0.5, 1.2))
    scene, views = blurred_views(*meshes)
    baked = bake_squares(scene.mesh, scene.cameras, views, (128, 256))
    plain = bake_texels(scene.mesh, scene.cameras, views, (128, 256), EXPONENT).texture
    before, after = (float((COLORS[0, 0] - texture[0] > 0.05).float().mean()) for texture in (plain, baked))
    assert before > 0.02 and after == 0


def test_bars_thinner_than_the_margin_keep_what_views_show():
    meshes = painted_box(), painted_box((0, 0, 1.5), (0.04, 0.04, 1.5))
    scene, views = photographed(*meshes, pixels=192)
    box, bar = bake_squares(scene.mesh, scene.cameras, views, (64, 128)).split(64, dim=2)
    for color, square in zip(COLORS, (box, bar), strict=True):
        assert ((square - color[:, None, None]).abs().amax(dim=0) < 0.01).float().mean() > 0.9


def test_an_object_inside_another_is_gray():
    scene, views = photographed(painted_box(), painted_box(sides=(0.2, 0.2, 0.2)))
    _, inner = bake_squares(scene.mesh, scene.cameras, views, (64, 128)).split(64, dim=2)
    assert (inner == UNSEEN).all()


@pytest.mark.parametrize("last", [0, 1])
def test_baking_tells_of_every_object_and_ends_when_told_to(last):
    scene, views = photographed(painted_box(), painted_box((3, 0, 0)))
    told: list[tuple[int, int]] = []
    bake_squares(scene.mesh, scene.cameras, views, (64, 128), lambda *step: told.append(step))
    assert told == [(0, 2), (1, 2), (2, 2)]

    def check() -> None:
        if told[-1][0] == last:
            raise Cancelled

    told.clear()
    with pytest.raises(Cancelled):
        bake_squares(scene.mesh, scene.cameras, views, (64, 128), lambda *step: told.append(step), check)
    assert told[-1] == (last, 2)


def test_large_textures_are_baked_in_bands(monkeypatch):
    scene, views = photographed(painted_box())
    whole = bake_texels(scene.mesh, scene.cameras, views, 70, EXPONENT)
    checks = []
    monkeypatch.setattr("backend.geometry.projection.texel_bake.TEXELS_AT_ONCE", 16 * 70)
    bands = bake_texels(scene.mesh, scene.cameras, views, 70, EXPONENT, check=lambda: checks.append(0))
    assert len(checks) == 6  # five bands, and before the rest is filled
    assert torch.equal(bands.texture, whole.texture)
    assert torch.equal(bands.weight, whole.weight)
