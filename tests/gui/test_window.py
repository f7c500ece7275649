# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender window: the built extension's panel is drawn, its button pressed, and parts arrive in the scene."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .photograph import SIZE, Outcome, Session

REPOSITORY = Path(__file__).parents[2]
JOB_SECONDS, VISIT_SECONDS = 240, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def outcome(blender_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One visit serves all tests: it takes a minute."""
    built = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "build_addon.py", "--no-wheels", "--out", str(built)], cwd=REPOSITORY, check=True,
                   timeout=120)
    folder = tmp_path_factory.mktemp("session")
    session = Session(blender_root, folder, Path(sys.executable))
    installing = session.install(next(built.glob("meshwright-*.zip")))
    assert "Traceback" not in installing, installing
    picture = folder / "input" / "chair.png"
    picture.parent.mkdir()
    shutil.copy(REPOSITORY / "examples" / "chair.png", picture)
    visit = session.visit(Path(__file__).with_name("drive_generate.py"),
                          {"image": str(picture), "seconds": JOB_SECONDS}, VISIT_SECONDS)
    keep_photos(visit)
    return visit


def keep_photos(visit: Outcome) -> None:
    """Copy pictures and log to the folder that MESHWRIGHT_GUI_PHOTOS names, for a person to look at."""
    if folder := os.environ.get("MESHWRIGHT_GUI_PHOTOS"):
        for name, path in visit.photos.items():
            shutil.copy(path, Path(folder) / f"{name}.png")
        (Path(folder) / "blender.log").write_text(visit.log, encoding="utf-8")


def test_panel_is_drawn_without_python_errors(outcome: Outcome) -> None:
    assert outcome.said["enabled"] is True
    assert outcome.said["tab"] == "Meshwright"
    assert "error" not in outcome.said, outcome.said["error"]
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]


def test_pressing_the_button_queues_one_job_that_ends_well(outcome: Outcome) -> None:
    assert outcome.said["button"], "no Generate Parts button in the sidebar"
    assert outcome.said["jobs"] == 1
    assert outcome.said["state"] == "done", outcome.said["failure"]


def test_parts_arrive_as_named_objects_under_one_empty(outcome: Outcome) -> None:
    objects = outcome.said["objects"]
    assert [name for name, kind in objects.items() if kind == "EMPTY"] == ["chair"]
    parts = [name for name, kind in objects.items() if kind == "MESH"]
    assert len(parts) >= 2
    assert all(name.startswith("chair.part.") for name in parts)


def test_photos_show_the_window_and_what_changed_in_it(outcome: Outcome) -> None:
    before, after = (np.asarray(Image.open(outcome.photos[name]).convert("RGB"), np.float32)
                     for name in ("1-picture-chosen", "3-parts"))
    assert before.shape == after.shape == (SIZE[1], SIZE[0], 3)
    assert before.mean() > 20, "the picture is black"
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 200, "the picture is almost of one colour"
    viewport = np.abs(after - before)[100:1000, 200:1000].max(axis=2)
    assert (viewport > 16).mean() > 0.01, "nothing new is to be seen in the viewport"
