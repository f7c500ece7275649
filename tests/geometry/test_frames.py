# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions of frames: rotations, inverse to each other, and what Blender's own importer does."""

import numpy as np
import pytest
import trimesh

from backend.contract import MeshData
from backend.geometry.frames import (
    BLENDER_TO_Y_UP,
    Positions,
    blender_to_x_front,
    blender_to_y_up,
    x_front_to_blender,
    y_up_to_blender,
)

UP, BLENDER_FRONT = np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, -1.0, 0.0]])
THERE_AND_BACK = [(blender_to_y_up, y_up_to_blender), (blender_to_x_front, x_front_to_blender)]


@pytest.mark.parametrize(("there", "back"), THERE_AND_BACK)
def test_conversions_are_rotations_and_inverse_to_each_other(there, back) -> None:
    positions: Positions = np.random.default_rng(0).normal(size=(50, 3))
    assert np.array_equal(back(there(positions)), positions)
    assert np.linalg.det(there(np.eye(3))) == pytest.approx(1.0)


def test_up_and_front_of_each_frame() -> None:
    assert blender_to_y_up(UP).tolist() == [[0, 1, 0]]
    assert blender_to_y_up(BLENDER_FRONT).tolist() == [[0, 0, 1]]
    assert blender_to_x_front(UP).tolist() == [[0, 0, 1]]
    assert blender_to_x_front(BLENDER_FRONT).tolist() == [[1, 0, 0]]


def test_the_matrix_is_the_function() -> None:
    positions = np.random.default_rng(1).normal(size=(9, 3))
    assert np.array_equal(trimesh.transform_points(positions, BLENDER_TO_Y_UP), blender_to_y_up(positions))


def test_a_conversion_keeps_the_volume_positive() -> None:
    ball = trimesh.creation.icosphere(2)
    assert MeshData(x_front_to_blender(ball.vertices), ball.faces).volume > 4
