# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests need a real Blender: MESHWRIGHT_GUI_ROOT names the folder that setup_blender.sh printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .photograph import REPOSITORY, Session


@pytest.fixture(scope="session")
def blender_root() -> Path:
    """The small Debian with Blender in it."""
    root = os.environ.get("MESHWRIGHT_GUI_ROOT")
    if not root:
        pytest.skip("set MESHWRIGHT_GUI_ROOT to what tests/gui/setup_blender.sh printed")
    return Path(root)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as it is installed, without wheels."""
    built = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "build_addon.py", "--no-wheels", "--out", str(built)], cwd=REPOSITORY, check=True,
                   timeout=120)
    return next(built.glob("meshwright-*.zip"))


@pytest.fixture(scope="module")
def session(blender_root: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A fresh user's Blender with the extension installed."""
    session = Session(blender_root, tmp_path_factory.mktemp("session"), Path(sys.executable))
    installing = session.install(archive)
    assert "Traceback" not in installing, installing
    return session
