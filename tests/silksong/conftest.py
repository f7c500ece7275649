# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests of Mesh Silksong share."""

from functools import partial

import pytest

from backend.pipelines.silksong import quality

DISTANCE_SAMPLES = 10_000


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the tests' simple shapes need: a twentieth of what the artist's get."""
    monkeypatch.setattr(quality, "deviations", partial(quality.deviations, samples=DISTANCE_SAMPLES))
