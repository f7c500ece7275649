# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a mesh file is not read."""

from __future__ import annotations

WHOLE = "Check that the file is whole, or save it again as GLB."


class Unreadable(ValueError):
    """What is wrong with the file, as a sentence, and what to do about it."""

    def __init__(self, why: str, advice: str = WHOLE) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
