# SPDX-License-Identifier: GPL-3.0-or-later
"""Become the real worker: same process, same pipes."""

import os
import sys
from pathlib import Path

os.chdir(Path(__file__).parents[4])
os.execv(sys.executable, [sys.executable, "-m", "tests.worker.child", *sys.argv[1:]])
