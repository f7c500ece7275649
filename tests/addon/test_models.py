# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the preferences: a card each, and what its buttons do through the real worker."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from .conftest import Extension
from .jobs_at_work import WAIT
from .test_operators import desk, only_job
from .test_panels import Layout

__all__ = ["desk"]
SET = {"pipeline": "shared", "weights": "dinov2-large"}


@pytest.fixture
def models(desk: Extension, tmp_path: Path) -> Iterator[Path]:
    """An empty models folder."""
    desk.preferences.models_folder = str(tmp_path / "models")
    desk.module("model_cards").look_again()
    yield tmp_path / "models"
    desk.preferences.property_unset("models_folder")


def card(desk: Extension) -> SimpleNamespace:
    desk.module("model_cards").look_again()
    return next(card for card in desk.module("model_cards").cards() if card.weights.name == SET["weights"])


def drawn_preferences(desk: Extension) -> list[str]:
    words: list[str] = []
    desk.module("panels.models_box").draw_models(Layout(words))
    return words


def ended(desk: Extension) -> str:
    """The remarks of the only job, which is then taken out of the list."""
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    desk.module("jobs").remove(job.id)
    return " ".join(job.notes) if job.error is None else str(job.error)


def test_every_set_has_a_card(desk: Extension, models: Path) -> None:
    words = drawn_preferences(desk)
    registry = desk.module("backend.pipelines.registry")
    cards = desk.module("model_cards").cards()
    assert len(cards) == sum(len(spec.weights) for spec in registry.specs().values())
    assert len({(card.spec.name, card.weights.name) for card in cards}) == len(cards), "each once"
    for each in cards:
        assert each.title in words and each.state in words
        assert "outputs may be used" in each.terms and each.terms.endswith(each.weights.license.territory)
    assert "Included" in words and any(word.startswith("0.00 GB in ") for word in words)
    assert sum(word == "meshwright.download_weights" for word in words) == sum(
        card.presence == "absent" for card in cards) > 10
    assert "meshwright.verify_weights" not in words and "meshwright.remove_weights" not in words


def test_import_verify_and_delete(desk: Extension, models: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_text("{}")
    (own / "model.safetensors").write_bytes(b"x" * 5_000_000)
    assert card(desk).presence == "absent"
    files = [{"name": "config.json"}]
    assert bpy.ops.meshwright.import_weights(**SET, directory=str(own), files=files) == {"FINISHED"}
    assert "Still missing: model.safetensors" in ended(desk)
    assert card(desk).state == "Incomplete: 1 of 2 files, 0.00 GB"
    assert "Resume Download…" in drawn_preferences(desk)
    assert bpy.ops.meshwright.import_weights(**SET, directory=str(own)) == {"FINISHED"}
    assert "2 files copied" in ended(desk)
    assert card(desk).state == "Ready, 0.01 GB" and desk.module("model_cards").disk_words().startswith("0.01 GB")
    assert bpy.ops.meshwright.verify_weights(**SET) == {"FINISHED"}
    assert "checksums are not known" in ended(desk)
    assert bpy.ops.meshwright.remove_weights(**SET) == {"FINISHED"}
    assert "Deleted Shared Models · DINOv2 large" in ended(desk)
    assert card(desk).presence == "absent" and not (models / "shared" / "dinov2-large").exists()
    assert bpy.ops.meshwright.remove_weights(**SET) == {"FINISHED"}
    assert "not installed" in ended(desk)


def test_a_card_shows_its_job(desk: Extension, models: Path) -> None:
    job = desk.module("submission").submit_download(
        desk.module("backend.pipelines.registry").spec("shared"),
        desk.module("backend.pipelines.registry").spec("shared").weight_set(SET["weights"]), ["Apache License 2.0"])
    words = drawn_preferences(desk)
    assert "meshwright.cancel_job" in words and job.stage in words
    job.take(desk.module("backend.contract").Downloading(job.id, "model.safetensors", 10_000_000, 20_000_000))
    assert any("Downloading model.safetensors, 10.0 of 20.0 MB" in word for word in drawn_preferences(desk))
    job.take(desk.module("backend.contract").Downloading(job.id, "model.safetensors", 0, 0, 12.0))
    assert any("Next try in 12 s" in word for word in drawn_preferences(desk))
    desk.module("jobs").cancel(job.id)


def test_the_disk_is_looked_at_seldom(desk: Extension, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = desk.module("model_cards")
    looks: list[Path] = []
    real = cards._look
    monkeypatch.setattr(cards, "_look", lambda folder: looks.append(folder) or real(folder))
    for _ in range(20):
        drawn_preferences(desk)
    assert len(looks) <= 1
    begin = time.process_time()
    for _ in range(5):
        drawn_preferences(desk)
    assert (time.process_time() - begin) / 5 < 0.05, "our stand-in for a layout is slower than Blender's"
