# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny set of weights of each family, written once for all tests, which leave it as it is; and small views."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import Request, Resources
from backend.painting.scene import strip_size
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.settings import Sizes, TextureSettings

from .checkpoint_forms import write_set


@pytest.fixture(scope="session", params=["sd15", "sdxl"])
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def weights(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with ControlNets for depth and canny, and an adapter."""
    return write_set(tmp_path_factory.mktemp("models") / family, family, ("depth", "canny"), adapter=True)


@pytest.fixture
def small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of 64 pixels, fewer than an artist can choose: jobs of half a second."""
    settings_of = job.settings_of

    def shrunk(request: Request, squares: int, resources: Resources) -> TextureSettings:
        settings = settings_of(request, squares, resources)
        sizes = Sizes(8, strip_size(64, squares), 64, settings.sizes.texture)
        return replace(settings, sizes=sizes)

    monkeypatch.setattr(job, "settings_of", shrunk)
