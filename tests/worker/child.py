# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.worker.child STARTER …` is `python -m backend …` with the practice pipeline beside the others.

STARTER is a folder that stands for PartPacker's starter weights.
"""

import sys
from pathlib import Path

from backend.command_line import main
from tests.worker.practice import install

if __name__ == "__main__":
    install(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
