# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the cards on the page as icons, which Blender reads when it draws them first."""

from collections.abc import Iterable

import bpy.utils.previews

from .card import Card

_icons: bpy.utils.previews.ImagePreviewCollection | None = None


def load(cards: Iterable[Card]) -> None:
    """Have icons for these cards, and release all others."""
    if _icons is None:
        return
    wanted = {str(card.thumbnail): card.thumbnail for card in cards if card.thumbnail}
    for path in set(_icons) - set(wanted):
        del _icons[path]
    for path in wanted.keys() - set(_icons):
        _icons.load(path, path, "IMAGE")


def icon_of(card: Card) -> int | None:
    """The icon's number for a layout; None where there is no image."""
    return int(_icons[str(card.thumbnail)].icon_id) if _icons is not None and str(card.thumbnail) in _icons else None


def register() -> None:
    """Make room for icons."""
    global _icons
    _icons = bpy.utils.previews.new()


def unregister() -> None:
    """Release all icons."""
    global _icons
    bpy.utils.previews.remove(_icons)
    _icons = None
