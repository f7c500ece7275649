# SPDX-License-Identifier: GPL-3.0-or-later
"""The learning rate over a stage."""

import itertools

import pytest

from backend.training.schedule import StageSettings, learning_rate


def test_learning_rate_rises_stays_and_falls() -> None:
    settings = StageSettings(steps=1000, batch=1, rate=1.0, warm_up=10)
    rates = [learning_rate(step, settings) for step in range(1001)]
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[10:500]) == {1.0}
    assert rates[-1] == pytest.approx(0.02)
    assert all(after <= before for before, after in itertools.pairwise(rates[10:]))


def test_a_stage_may_fall_from_its_warm_up_on_and_end_at_half() -> None:
    settings = StageSettings(steps=1000, batch=1, rate=1.0, warm_up=50, flat_until=0.05, final_rate=0.5)
    rates = [learning_rate(step, settings) for step in range(1001)]
    assert rates[50] == pytest.approx(1.0)
    assert rates[525] == pytest.approx(0.75)
    assert rates[-1] == pytest.approx(0.5)
