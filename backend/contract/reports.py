# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of a pipeline tell how far they are. A job ties these to its `Progress`; what they raise ends all.

A cancel is answered within a second, so they are called at every sampler step, layer, chunk, pair or batch of tokens.
"""

from collections.abc import Callable

StageReport = Callable[[str, int, int], None]
"""Told `(stage, step, of)`: that step of a stage of the task's spec is done."""
CountReport = Callable[[int, int], None]
"""Told `(done, of)` within one piece of work; `of` may be a bound."""
LoadReport = Callable[[str], None]
"""Told the component before each of its tensors is read."""


def ignore(*_told: object) -> None:
    """The report of callers who want none."""
