# SPDX-License-Identifier: GPL-3.0-or-later
"""Which job folders go when there are too many, and deleting them in small pieces."""

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from .card import Card

DAY = 86400.0
_UNDER_WAY = 7 * DAY
"""A job without an end may still run in another Blender, or wait in its queue; one this old does not."""
_FILES_AT_ONCE = 20


def excess(cards: Iterable[Card], most_bytes: float, most_days: float, kept: Collection[str],
           now: float) -> list[Card]:
    """The cards to delete, the oldest first, so that the rest is at most `most_bytes` large and `most_days` old; 0 of
    either means no limit. Never those named in `kept`, nor a result that nobody has seen.
    """
    listed = sorted(cards, key=lambda card: card.started_at)
    too_large = sum(card.bytes for card in listed) - most_bytes if most_bytes else 0.0
    gone = []
    for card in listed:
        too_old = most_days and card.started_at < now - most_days * DAY
        if (too_old or too_large > 0) and card.name not in kept and may_go(card, now):
            gone.append(card)
            too_large -= card.bytes
    return gone


def may_go(card: Card, now: float) -> bool:
    """Whether nothing is lost with it that the artist has not seen."""
    if card.state in ("failed", "cancelled"):
        return True
    if card.state == "unfinished":
        return card.started_at < now - _UNDER_WAY
    return card.seen


class EntryRemoval:
    """Deletes folders in pieces. What cannot be deleted stays for the next start."""

    def __init__(self) -> None:
        self._work: list[Iterator[None]] = []

    def add(self, folder: Path) -> None:
        """Delete this one, too. Its name no longer is a job's."""
        self._work.append(_pieces(folder))

    def step(self, seconds: float = 0.003) -> bool:
        """Go on for about that long; True when nothing is left to delete."""
        until = time.perf_counter() + seconds
        while self._work:
            for _ in self._work[-1]:
                if time.perf_counter() > until:
                    return False
            self._work.pop()
        return True


def _pieces(folder: Path) -> Iterator[None]:
    for parent, folders, files in os.walk(folder, topdown=False):
        for number, name in enumerate(files):
            with suppress(OSError):  # in use by another program
                Path(parent, name).unlink()
            if number % _FILES_AT_ONCE == 0:
                yield
        for name in folders:
            path = Path(parent, name)
            with suppress(OSError):
                path.unlink() if path.is_symlink() else path.rmdir()
        yield
    with suppress(OSError):
        folder.rmdir()
