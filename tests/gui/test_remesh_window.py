# SPDX-License-Identifier: GPL-3.0-or-later
"""A remesh in a real Blender window with the starter weights: watched, delivered, undone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .photograph import Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 300, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests: it takes a minute."""
    return session.visit(Path(__file__).with_name("drive_remesh.py"), {"seconds": JOB_SECONDS}, VISIT_SECONDS)


def test_it_is_seen_growing(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert outcome.said["asked"] == ["FINISHED"] and outcome.said["state"] == "done", outcome.said["failure"]
    sizes = outcome.said["sizes"]  # how many are seen depends on the machine, that the first is not the whole does not
    assert sizes and sizes == sorted(sizes) and sizes[0] < outcome.said["faces"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]


def test_it_takes_its_originals_place_until_undone(outcome: Outcome) -> None:
    assert outcome.said["delivered"] == {"drum": False, "drum low": True}
    assert outcome.said["undone"] == {"drum": True}


def test_photos_show_the_preview_before_the_result(outcome: Outcome) -> None:
    growing, delivered = (np.asarray(Image.open(outcome.photos[name]).convert("RGB"), np.float32)
                        for name in ("1-growing", "2-in-its-place"))
    assert growing.mean() > 20, "the image is black"
    assert (np.abs(delivered - growing)[100:1000, 200:1000].max(axis=2) > 16).mean() > 0.01
