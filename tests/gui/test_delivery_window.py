# SPDX-License-Identifier: GPL-3.0-or-later
"""A result that arrives in the middle of a move, in a real window: it waits, and the move can still be cancelled."""

from pathlib import Path

import pytest

from .photograph import Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 240, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests: it takes a minute."""
    return session.visit(Path(__file__).with_name("drive_delivery.py"),
                         {"image": str(session.example()), "seconds": JOB_SECONDS}, VISIT_SECONDS)


def test_it_waits_for_the_move_to_end(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]
    assert outcome.said["asked"] == ["FINISHED"]
    assert outcome.said["stage"] == "Waiting for Move to end" and outcome.said["moved meanwhile"]


def test_the_move_is_cancelled_and_the_result_is_one_undo_step(outcome: Outcome) -> None:
    assert outcome.said["delivered"] and not outcome.said["moved after escape"]
    assert outcome.said["after undo"] == {"Cube": outcome.said["before"]}


def test_it_stands_next_to_the_cube_which_stays_selected(outcome: Outcome) -> None:
    assert outcome.said["selected"] == ["Cube"] and outcome.said["active"] == "Cube"
    assert outcome.said["begins at"] > 1.0, "the default cube ends there"
