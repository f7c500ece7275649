# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny set of weights of each family, written once for all tests, which leave it as it is."""

from pathlib import Path

import pytest

from .checkpoint_forms import write_set


@pytest.fixture(scope="session", params=["sd15", "sdxl"])
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def weights(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with ControlNets for depth and canny, and an adapter."""
    return write_set(tmp_path_factory.mktemp("models") / family, family, ("depth", "canny"), adapter=True)
