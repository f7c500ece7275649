# SPDX-License-Identifier: GPL-3.0-or-later
"""Texturing in a real Blender window with tiny random weights: views, look, a refined part."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .photograph import Outcome, Session
from .test_window import REPOSITORY, keep_photos

JOB_SECONDS, VISIT_SECONDS = 200, 480
WORKER = """
import os, sys
os.environ["MESHWRIGHT_TEST_TEXTURE_WEIGHTS"] = {weights!r}
os.chdir({repository!r})
code = (
    "import sys; from tests.addon.texture_weights import install; from backend.command_line import main; install(); "
    "sys.exit(main(sys.argv[1:]))"
)
os.execv(sys.executable, [sys.executable, "-c", code, *sys.argv[1:]])
"""
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(blender_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One visit serves all tests."""
    built = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "build_addon.py", "--no-wheels", "--out", str(built)], cwd=REPOSITORY, check=True,
                   timeout=120)
    folder = tmp_path_factory.mktemp("session")
    session = Session(blender_root, folder, Path(sys.executable))
    session.install(next(built.glob("meshwright-*.zip")))
    code = folder / "worker" / "backend"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    child = WORKER.format(weights=str(folder / "weights"), repository=str(REPOSITORY))
    (code / "__main__.py").write_text(child, encoding="utf-8")
    options = {"steps": 12, "log_interval": 1, "texture_size": "512", "latent_view_size": "32", "guidance_scale": 2.0}
    visit = session.visit(Path(__file__).with_name("drive_texture.py"), {
        "root": str(code.parent), "prompt": "a red monkey", "options": options, "seconds": JOB_SECONDS}, VISIT_SECONDS)
    keep_photos(visit)
    return visit


def test_the_views_are_seen_while_they_are_painted(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]
    for asked, photo in (("asked", "1-views"), ("refined", "3-refining")):
        assert outcome.said[asked] == ["FINISHED"]
        assert outcome.said[f"{photo} state"] == "done", outcome.said[f"{photo} failure"]
        assert outcome.said[f"{photo} icons"] > 4


def test_each_texture_is_a_look_and_one_undo_step(outcome: Outcome) -> None:
    assert outcome.said["looks"] == outcome.said["looks undone"] == ["Before", "a red monkey, seed 3"]


def test_photos_show_colour_where_there_was_grey(outcome: Outcome) -> None:
    views, look, refined = (_colourful(outcome.photos[name]) for name in ("1-views", "2-look", "4-refined"))
    sheet, viewport = np.s_[700:1080, 1050:1300], np.s_[250:900, 380:1000]
    assert views[sheet].mean() > 0.03, "no contact sheet in the sidebar"
    assert views[viewport].mean() < 0.03, "a texture before it was painted"
    assert look[sheet].mean() < views[sheet].mean() / 2, "the sheet was not released"
    assert look[viewport].mean() > 0.2 and refined[viewport].mean() > 0.2, "no texture in the viewport"


def _colourful(path: Path) -> np.ndarray:
    """Which pixels are far from grey, bool [H, W]."""
    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32)
    return np.ptp(pixels, axis=2) > 60
