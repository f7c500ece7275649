# SPDX-License-Identifier: GPL-3.0-or-later
"""Several objects are baked one after the other, each from its own colors only."""

import pytest
import torch
from torch import Tensor

from backend.contract import Cancelled, MeshData
from backend.geometry.projection import bake_texels, rasterize_views
from backend.painting.baking import EXPONENT, UNSEEN, bake_squares
from backend.painting.scene import PaintedScene
from backend.pipelines.flexisyncmvd.rig import CameraRig
from tests.painting.boxes import painted_box

COLORS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.2, 0.9]])
GROUND = torch.tensor([0.0, 1.0, 0.0])
FACES = 12


def photographed(*meshes: MeshData) -> tuple[PaintedScene, Tensor]:
    """The boxes before the rig, and views of them in a color each."""
    scene = PaintedScene.build(meshes, CameraRig().cameras(), 0.9, "cpu")
    face = rasterize_views(scene.mesh, scene.cameras, 96).face.long()
    views = torch.where(face[..., None] < 0, GROUND, COLORS[face.clamp(min=0) // FACES])
    return scene, views.permute(0, 3, 1, 2)


def test_texels_that_no_view_sees_take_a_color_of_their_own_object():
    scene, views = photographed(painted_box(), painted_box((0, 2, 0)))
    texture = bake_squares(scene.mesh, scene.cameras, views, (64, 128))
    for color, square in zip(COLORS, texture.split(64, dim=2), strict=True):
        torch.testing.assert_close(square, color[:, None, None].expand(3, 64, 64), atol=1e-5, rtol=0)


def test_one_object_is_baked_as_by_itself():
    scene, views = photographed(painted_box())
    views = torch.rand(views.shape, generator=torch.Generator().manual_seed(0))
    expected = bake_texels(scene.mesh, scene.cameras, views, 64, EXPONENT).texture
    assert torch.equal(bake_squares(scene.mesh, scene.cameras, views, (64, 64)), expected)


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
