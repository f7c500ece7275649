# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend`: the worker, the tasks, downloads and training from the command line."""

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
