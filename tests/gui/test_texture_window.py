# SPDX-License-Identifier: GPL-3.0-or-later
"""Texturing in a real Blender window with the starter weights: views, look, a refined part."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .photograph import Outcome, Session

JOB_SECONDS, VISIT_SECONDS = 200, 480
PROMPT, SECOND_PROMPT = "a red wooden monkey", "a blue wooden monkey"
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests: it takes a minute."""
    return session.visit(Path(__file__).with_name("drive_texture.py"), {
        "prompt": PROMPT, "second prompt": SECOND_PROMPT, "options": {"log_interval": 1},
        "seconds": JOB_SECONDS}, VISIT_SECONDS)


def test_the_views_are_seen_while_they_are_painted(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]
    for asked, photo in (("asked", "1-views"), ("refined", "3-refining")):
        assert outcome.said[asked] == ["FINISHED"]
        assert outcome.said[f"{photo} state"] == "done", outcome.said[f"{photo} failure"]
        assert outcome.said[f"{photo} icons"] > 0


def test_each_texture_is_a_look_and_one_undo_step(outcome: Outcome) -> None:
    assert outcome.said["looks"] == outcome.said["looks undone"] == ["Before", f"{PROMPT}, seed 3"]


def test_photos_show_color_where_there_was_gray(outcome: Outcome) -> None:
    views, look, refined = (_colorful(outcome.photos[name]) for name in ("1-views", "2-look", "4-refined"))
    sheet, viewport = np.s_[200:400, 1060:1290], np.s_[250:900, 380:1000]
    assert views[sheet].mean() > 0.015, "no contact sheet in the sidebar"
    assert views[viewport].mean() < 0.03, "a texture before it was painted"
    assert look[sheet].mean() < views[sheet].mean() / 2, "the sheet was not released"
    assert look[viewport].mean() > 0.2 and refined[viewport].mean() > 0.2, "no texture in the viewport"


def test_the_monkey_is_as_red_as_was_asked(outcome: Outcome) -> None:
    red, green, blue = _pixels(outcome.photos["2-look"])[250:900, 380:1000].transpose(2, 0, 1)
    painted = _colorful(outcome.photos["2-look"])[250:900, 380:1000]
    assert ((red > 1.5 * green) & (red > 1.5 * blue))[painted].mean() > 0.8


def test_refining_leaves_no_patch_of_the_old_color(outcome: Outcome) -> None:
    red, green, blue = _pixels(outcome.photos["4-refined"])[250:900, 380:1000].transpose(2, 0, 1)
    painted = _colorful(outcome.photos["4-refined"])[250:900, 380:1000]
    assert ((blue > red) & (blue > 1.2 * green))[painted].mean() > 0.9
    # Further from orange than the outline of the selection.
    assert ((red > 2.5 * green) & (red > 1.5 * blue))[painted].mean() < 0.005


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.float32)


def _colorful(path: Path) -> np.ndarray:
    """Which pixels are far from gray, bool [H, W]."""
    return np.ptp(_pixels(path), axis=2) > 60
