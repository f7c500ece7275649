# SPDX-License-Identifier: GPL-3.0-or-later
"""A desk whose workers are forked, once torch and the pipelines are imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .scale import WHOLE


@pytest.fixture(scope="session")
def imported() -> Iterator[None]:
    """The practice pipeline, and for the whole attack the three fastest tasks."""
    if sys.platform != "linux":
        pytest.skip("forks workers and reads /proc")
    from backend.worker import job_run

    from . import desk

    locate = job_run.locate
    desk.import_pipelines(tuple(desk.FASTEST) if WHOLE else ("repair_mesh",))
    yield
    job_run.locate = locate
    desk.forget_practice()


@pytest.fixture
def blender(imported: None, tmp_path: Path) -> Iterator[object]:
    """One Blender with the real worker."""
    from .desk import Desk, real_worker

    made = Desk(tmp_path, real_worker(tmp_path))
    yield made
    made.queue.shutdown()
