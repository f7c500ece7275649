# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.worker.plain_child ANYTHING …` is `python -m backend …`."""

import sys

from backend.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
