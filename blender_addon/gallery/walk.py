# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading thousands of job folders without holding Blender up: a little at a time, and only what has changed."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..backend.contract.plain_name import is_plain_name
from ..history import DISCARDED
from .card import Card, read_card

SECONDS = 0.003
"""A step ends after so long."""
MOST_WORK = 64
"""What a step does at most, however fast the disk is: an unchanged folder counts 1, one that is read `READING`."""
READING = 16
_ABANDONED = 86400.0  # seconds after which a capture that was never finished is no longer under way


class Walk:
    """Goes through a jobs folder once. `cards` and `leftovers` are complete when `step` has returned True."""

    def __init__(self, folder: Path, known: Mapping[str, Card]) -> None:
        """`known` are the cards of an earlier walk: a folder that has not changed is not read again."""
        self.cards: dict[str, Card] = {}
        self.leftovers: list[Path] = []
        self._known = known
        self._work = self._pieces(folder)

    def step(self, seconds: float = SECONDS) -> bool:
        """Go on for about that long; True at the end."""
        until, work = time.perf_counter() + seconds, 0
        for cost in self._work:
            work += cost
            if work >= MOST_WORK or time.perf_counter() > until:
                return False
        return True

    def _pieces(self, folder: Path) -> Iterator[int]:
        """Look at one folder after the other; yields what each costs."""
        try:
            items = os.scandir(folder)
        except OSError:  # none yet, or on a drive that is not there
            return
        with items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    yield self._look(item)

    def _look(self, item: os.DirEntry[str]) -> int:
        try:
            if item.name.startswith(DISCARDED):
                self.leftovers.append(Path(item.path))
                return 1
            status = item.stat(follow_symlinks=False)
            known = self._known.get(item.name)
            if known is not None and known.stamp == status.st_mtime_ns:
                self.cards[item.name] = known
                return 1
            if not is_plain_name(item.name):
                return 1
            if sys.platform != "win32" and status.st_mode & 0o077:  # of an earlier version
                Path(item.path).chmod(0o700)
            card = read_card(Path(item.path), status.st_mtime_ns)
            if card is not None:
                self.cards[item.name] = card
            elif status.st_mtime < time.time() - _ABANDONED and _is_capture(Path(item.path)):
                self.leftovers.append(Path(item.path))
        except OSError:  # deleted meanwhile, or not ours to read
            return READING
        return READING


def _is_capture(path: Path) -> bool:
    """Whether this is what a crash left of a capture, and nothing of the artist's."""
    return {item.name for item in os.scandir(path)} <= {"inputs", "outputs", "delivery.json"} and (
        path / "inputs").is_dir() and (path / "outputs").is_dir()
