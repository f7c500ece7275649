# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects fitted to the cameras, and their places in the strip of textures."""

from dataclasses import replace

import numpy as np
import pytest

from backend.geometry.projection import Cameras, orbit_cameras
from backend.painting.scene import PaintedScene

from .boxes import painted_box

FIELD_OF_VIEW = 28.0


def around(perspective: bool) -> Cameras:
    poses = [(0.0, angle) for angle in (0.0, 45.0, 90.0, 180.0, 270.0)]
    return orbit_cameras([*poses, (30.0, 0.0)], distance=4.0, field_of_view=FIELD_OF_VIEW if perspective else None)


@pytest.mark.parametrize("perspective", [False, True])
def test_the_object_fills_its_largest_view(perspective):
    box = painted_box(center=(10, -3, 7), sides=(4, 1, 1))
    whole = PaintedScene.build([box, painted_box(center=(10, 3, 7))], around(perspective), 0.9, "cpu")
    reach = whole.cameras.to_screen(whole.mesh.vertices)[..., :2].abs().max()
    assert float(reach) == pytest.approx(0.9, abs=2e-3)
    assert (whole.objects, whole.squares, whole.remarks) == (2, 2, ())
    corners = whole.mesh.corner_uvs()
    assert corners[:12, :, 0].max() <= 0.5 <= corners[12:, :, 0].min()


def test_unpainted_faces_have_a_square_of_their_own():
    box = replace(painted_box(), selection=np.arange(12) < 6)
    whole = PaintedScene.build([box], around(False), 0.9, "cpu")
    corners = whole.mesh.corner_uvs()
    assert whole.squares == 2
    assert corners[:6, :, 0].max() <= 0.5 <= corners[6:, :, 0].min()
