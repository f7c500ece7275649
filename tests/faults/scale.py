# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an attack runs: a selection with the other tests, all of it by `python dev.py soak`."""

import os
import sys

VARIABLE = "MESHWRIGHT_SOAK"
WHOLE = os.environ.get(VARIABLE) == "1"


def times(quick: int, whole: int) -> int:
    """How often something is done."""
    return whole if WHOLE else quick


def report(text: str) -> None:
    """A metric, for the person who started the attack."""
    sys.stdout.write(f"\nsoak: {text}\n")
