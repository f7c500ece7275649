# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that the system kills takes no Blender with it: SIGPIPE is deadly in Blender 4.3, and in no bpy module."""

from pathlib import Path

import pytest

from .photograph import Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 120, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests. Raises TimeoutError when Blender ends before its script did."""
    return session.visit(Path(__file__).with_name("drive_dead_worker.py"),
                         {"image": str(session.example()), "seconds": JOB_SECONDS}, VISIT_SECONDS)


@pytest.mark.parametrize(("button", "state"), [("cancel", "cancelled"), ("free memory", "failed")])
def test_blender_is_alive_after_the_button(outcome: Outcome, button: str, state: str) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert outcome.said[f"{button} asked"] == ["FINISHED"]
    assert outcome.said[f"{button} button"], "the button is not in the sidebar"
    assert outcome.said[f"{button} state before"] == "running" and outcome.said[f"{button} killed"] == 1
    assert outcome.said[f"{button} state after"] == state
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]


def test_the_job_that_died_with_it_says_why(outcome: Outcome) -> None:
    assert "SIGKILL" in outcome.said["free memory reason"]
