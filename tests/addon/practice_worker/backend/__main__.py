# SPDX-License-Identifier: GPL-3.0-or-later
"""Become the real worker with the practice pipeline beside the others: same process, same pipes."""

import os
import sys
from pathlib import Path

CODE = """
import sys
from backend.command_line import main
from tests.addon import watched_previews
from tests.worker import practice
practice.install()
watched_previews.install()
sys.exit(main(sys.argv[1:]))
"""

os.chdir(Path(__file__).parents[4])
os.execv(sys.executable, [sys.executable, "-c", CODE, *sys.argv[1:]])
