# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's seat in a real window of 1920 × 1080: the button and the running job are in sight without scrolling."""

from pathlib import Path

import pytest

from .photograph import Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 180, 840
LARGEST_DRAW = 2.0
"""Milliseconds of all panels together, for one redraw."""
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests: it takes minutes."""
    return session.visit(Path(__file__).with_name("drive_seat.py"),
                         {"image": str(session.example()), "seconds": JOB_SECONDS}, VISIT_SECONDS, (1920, 1080))


def test_it_works_at_all(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]
    assert outcome.said["asked"] == [["FINISHED"]] * 3 and outcome.said["state"] == "running"
    assert outcome.said["narrow width"] < 0.7 * outcome.said["default width"]


@pytest.mark.parametrize("seat", ["default", "large", "narrow"])
def test_button_and_running_job_are_in_sight(outcome: Outcome, seat: str) -> None:
    buttons = outcome.said[f"{seat} buttons"]
    assert len(buttons) >= 11 and None not in buttons.values(), buttons
    assert outcome.said[f"{seat} cancel"], "the running job is not in sight"


def test_panels_are_drawn_in_less_than_two_milliseconds(outcome: Outcome) -> None:
    assert max(outcome.said["draw ms"].values()) < LARGEST_DRAW, outcome.said["draw ms"]
