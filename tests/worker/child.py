# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.worker.child …` is `python -m backend …` with the practice pipeline beside the others."""

import sys

from backend.command_line import main
from tests.worker.practice import install

if __name__ == "__main__":
    install()
    sys.exit(main(sys.argv[1:]))
