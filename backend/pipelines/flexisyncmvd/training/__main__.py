# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m backend.pipelines.flexisyncmvd.training``, also under ``accelerate launch -m``."""

import sys

from ....training.command import exit_status
from .recipe import train

if __name__ == "__main__":
    sys.exit(exit_status(train, sys.argv[1:]))
