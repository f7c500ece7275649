# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden numbers: our networks and geometry against values recorded from the published pipelines.

`python -m tests.parity PATH...` compares golden files and exits with 1 when any tensor is out of tolerance.
Every module of this package adds its cases to `CASES`; a golden file finds its case by folder and file name.
"""

from collections.abc import Callable, Iterator

from .comparison import Comparison
from .golden import Golden

CASES: dict[tuple[str, str], Callable[[Golden], Iterator[Comparison]]] = {}
"""(pipeline, case) -> function that recomputes the case and yields what it compares."""
