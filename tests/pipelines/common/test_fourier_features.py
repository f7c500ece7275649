# SPDX-License-Identifier: GPL-3.0-or-later
"""The two orders in which published networks take Fourier features."""

import math

import pytest
import torch

from backend.pipelines.common.fourier_features import fourier_features

POINT = torch.tensor([0.25, -0.5, 1.0])
ANGLES = [[value * 2**power for power in range(2)] for value in POINT.tolist()]


def test_coordinates_then_sines_then_cosines() -> None:
    flat = [angle for axis in ANGLES for angle in axis]
    expected = [*POINT.tolist(), *map(math.sin, flat), *map(math.cos, flat)]
    assert fourier_features(POINT, 2).tolist() == pytest.approx(expected)


def test_axis_by_axis_and_the_coordinates_last() -> None:
    expected = [wave(angle) for axis in ANGLES for wave in (math.sin, math.cos) for angle in axis]
    assert fourier_features(POINT, 2, by_axis=True).tolist() == pytest.approx([*expected, *POINT.tolist()])


def test_frequencies_with_pi_in_float32_whatever_comes_in() -> None:
    features = fourier_features(POINT.half()[None], 1, include_pi=True)
    assert features.dtype == torch.float32 and features.shape == (1, 9)
    assert features[0, 3].item() == pytest.approx(math.sin(math.pi / 4))
