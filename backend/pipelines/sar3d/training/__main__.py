# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m backend.pipelines.sar3d.training``, also under ``accelerate launch -m``."""

import sys

from .recipe import train

if __name__ == "__main__":
    sys.exit(train(sys.argv[1:]))
