# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender window: the built extension's panel is drawn, its button pressed, and parts arrive in the scene."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .photograph import SIZE, Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 240, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests: it takes a minute."""
    return session.visit(Path(__file__).with_name("drive_generate.py"), {"seconds": JOB_SECONDS}, VISIT_SECONDS)


def test_panel_is_drawn_without_python_errors(outcome: Outcome) -> None:
    assert outcome.said["enabled"] is True
    assert outcome.said["tab"] == "Meshwright"
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]


def test_pressing_the_button_queues_one_job_that_ends_well(outcome: Outcome) -> None:
    assert outcome.said["example"], "no Try an Example in the sidebar"
    assert outcome.said["button"], "no Generate Parts button in the sidebar"
    assert outcome.said["jobs"] == 1
    assert outcome.said["state"] == "done", outcome.said["failure"]


def test_parts_arrive_as_named_objects_under_one_empty(outcome: Outcome) -> None:
    objects = outcome.said["objects"]
    assert [name for name, kind in objects.items() if kind == "EMPTY"] == ["chair"]
    parts = [name for name, kind in objects.items() if kind == "MESH"]
    assert len(parts) >= 2
    assert all(name.startswith("chair.part.") for name in parts)


def test_the_viewport_is_an_image_source(outcome: Outcome) -> None:
    assert outcome.said["captured"] == ["FINISHED"]
    capture = outcome.said["capture"]
    assert max(capture["size"]) == 1024 and 0.02 < capture["shown"] < 0.9, "the object alone, without background"
    assert capture["colors"] > 0.1, "the parts' colors"


def test_photos_show_the_window_and_what_changed_in_it(outcome: Outcome) -> None:
    before, after = (np.asarray(Image.open(outcome.photos[name]).convert("RGB"), np.float32)
                     for name in ("1-image-chosen", "3-parts"))
    assert before.shape == after.shape == (SIZE[1], SIZE[0], 3)
    assert before.mean() > 20, "the image is black"
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 200, "the image is almost of one color"
    viewport = np.abs(after - before)[100:1000, 200:1000].max(axis=2)
    assert (viewport > 16).mean() > 0.01, "nothing new is to be seen in the viewport"
