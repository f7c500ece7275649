# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of a pipeline report how far they are. A job ties these to its `Progress`; what they raise ends all.

A cancel is answered within a second, so they are called at every sampler step, layer, chunk, pair or batch of tokens.
"""

from collections.abc import Callable

from .progress import Progress

StageReport = Callable[[str, int, int], None]
"""Given `(stage, step, of)`: that step of a stage of the task's spec is done."""
CountReport = Callable[[int, int], None]
"""Given `(done, of)` within one piece of work; `of` may be a bound."""
LoadReport = Callable[[str], None]
"""Given the component before each of its tensors is read."""


def ignore(*_reported: object) -> None:
    """The report of callers who want none."""


def loading_report(progress: Progress) -> LoadReport:
    """Reports a component when its first tensor is read, and looks for a cancel at every other."""
    reported: set[str] = set()

    def report(component: str) -> None:
        if component in reported:
            progress.check()
        else:
            reported.add(component)
            progress.loading(component)

    return report
