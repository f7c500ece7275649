# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests need a real Blender: MESHWRIGHT_GUI_ROOT names the folder that setup_blender.sh printed."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def blender_root() -> Path:
    """The small Debian with Blender in it."""
    root = os.environ.get("MESHWRIGHT_GUI_ROOT")
    if not root:
        pytest.skip("set MESHWRIGHT_GUI_ROOT to what tests/gui/setup_blender.sh printed")
    return Path(root)
