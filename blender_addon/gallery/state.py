# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel shows of the history: read, pruned and deleted in steps of a few milliseconds, never while drawing."""

import time
from collections.abc import Callable, Sequence

import bpy

from .. import history, jobs
from ..backend.contract import MeshwrightError
from ..preferences import jobs_folder, jobs_limits
from . import thumbnails
from .card import Card
from .page import PAGE, settings
from .retention import EntryRemoval, excess
from .walk import Walk

FIRST_SECONDS, SECONDS_BETWEEN = 3.0, 0.05
_cards: dict[str, Card] = {}
_shown: tuple[Card, ...] = ()
_read = False
_walk: Walk | None = None
_again = False
_busy = False
_removal = EntryRemoval()


def find(name: str) -> Card | None:
    """The card of that name, as it was read last."""
    return _cards.get(name)


def matching() -> tuple[Card, ...]:
    """The cards that the filter leaves, the newest first."""
    return _shown


def page() -> Sequence[Card]:
    """Those of them that are on the page."""
    return _shown[(number() - 1) * PAGE:number() * PAGE]


def number() -> int:
    """The page that is shown, from 1 on."""
    return min(settings().page, pages())


def pages() -> int:
    """How many pages there are, at least 1."""
    return max(1, -(-len(_shown) // PAGE))


def total_words() -> str:
    """How many jobs there are and what they take, in words."""
    if not _read:
        return "Reading the jobs…" if _walk else "Refresh to see earlier results"
    if not _cards:
        return "No results yet"
    size = sum(card.bytes for card in _cards.values())
    return f"{len(_cards):,} {'job' if len(_cards) == 1 else 'jobs'}, {_megabytes(size)}"


def refresh() -> None:
    """Read what has changed on the disk, then delete what is beyond the limits of the preferences.

    With a window this goes on in small steps; without one nothing would take them, so all is done at once.
    """
    global _walk, _again
    if _walk is not None:
        _again = True
    else:
        _walk = Walk(jobs_folder(), _cards)
    _go_on()


def step() -> float | None:
    """One small step of what is under way. Returns the seconds until the next, None when all is done."""
    global _walk, _again, _cards, _read
    if _walk is not None:
        if not _walk.step():
            return SECONDS_BETWEEN
        _cards, _read = _walk.cards, True
        for folder in _walk.leftovers:
            _removal.add(folder)
        _walk = Walk(jobs_folder(), _cards) if _again else None
        _again = False
        limits = jobs_limits()
        prune(limits.bytes, limits.days)
        return SECONDS_BETWEEN
    return None if _removal.step() else SECONDS_BETWEEN


def prune(most_bytes: float, most_days: float) -> list[Card]:
    """Delete the oldest jobs beyond these limits (0: none), but never one of this session or a result that nobody has
    seen. Returns the cards of those that are gone."""
    gone = []
    for card in excess(_cards.values(), most_bytes, most_days, {job.id for job in jobs.jobs()}, time.time()):
        try:
            _removal.add(history.discard(jobs_folder(), card.name))
        except MeshwrightError:  # deleted meanwhile, or in use: the next time
            continue
        gone.append(_cards.pop(card.name))
    show()
    _go_on()
    return gone


def delete(name: str) -> None:
    """Delete a job's folder and take it out of the list. Raises MeshwrightError."""
    _removal.add(history.discard(jobs_folder(), name))
    _cards.pop(name, None)
    show()
    _go_on()


def show() -> None:
    """Filter once more, and load the thumbnails of the page."""
    global _shown
    chosen, wanted = settings(), _KINDS[settings().kind]
    _shown = tuple(sorted((card for card in _cards.values() if wanted(card) and card.matches(chosen.search)),
                          key=lambda card: card.started_at, reverse=True))
    picked = [card for name in (chosen.first, chosen.second) if (card := find(name))]
    thumbnails.load([*page(), *picked])
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def register() -> None:
    """Read the history for the first time a little after Blender's start."""
    thumbnails.register()
    if not bpy.app.background:
        bpy.app.timers.register(_first, first_interval=FIRST_SECONDS, persistent=True)


def unregister() -> None:
    """Forget everything; what is still to be deleted goes with the next start."""
    global _cards, _shown, _read, _walk, _removal, _again
    for timer in (_first, step):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    _cards, _shown, _read, _walk, _again, _removal = {}, (), False, None, False, EntryRemoval()
    thumbnails.unregister()


def _first() -> None:
    refresh()


def _go_on() -> None:
    global _busy
    if bpy.app.background:
        if not _busy:  # pruning within a step asks for more steps
            _busy = True
            while step() is not None:
                pass
            _busy = False
    elif not bpy.app.timers.is_registered(step):
        bpy.app.timers.register(step, persistent=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


_KINDS: dict[str, Callable[[Card], bool]] = {
    "RESULTS": lambda card: card.deliverable,
    "UNSEEN": lambda card: card.deliverable and not card.seen,
    "FAILED": lambda card: card.state in ("failed", "cancelled", "unreadable"),
    "ALL": lambda card: True,
}
