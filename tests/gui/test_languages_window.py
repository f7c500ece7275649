# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's window in Japanese and Chinese, the menu of the tasks, and textures made visible."""

from pathlib import Path

import pytest

from .photograph import Outcome, Session

LABELS = ["Texture Size", "Try an Example", "Generate Parts"]
VISIT_SECONDS = 180
pytestmark = [pytest.mark.gui, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests."""
    return session.visit(Path(__file__).with_name("drive_languages.py"), {"labels": LABELS}, VISIT_SECONDS)


def test_blender_takes_the_translations(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]
    for ending in ("", " operators"):
        assert outcome.said[f"ja_JP{ending}"] == ["テクスチャサイズ", "例を試す", "パーツを生成"]
        assert outcome.said[f"zh_HANS{ending}"] == ["纹理尺寸", "试用示例", "生成部件"]
    assert outcome.photos["1-japanese"].read_bytes() != outcome.photos["2-chinese"].read_bytes()


def test_every_task_has_a_row_for_its_shortcut(outcome: Outcome) -> None:
    assert outcome.said["shortcuts"] >= 10


def test_one_button_shows_textures_and_then_is_not_needed(outcome: Outcome) -> None:
    assert outcome.said["shown"] == ["FINISHED"] and outcome.said["shown again"] is False
    assert outcome.said["shading"] == ["SOLID", "TEXTURE"]
