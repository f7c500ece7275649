# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo, redo and another file: after them no reference to a datablock of before may be used."""

import bpy

_count = 0


def interruptions() -> int:
    """How many there were: another number means that datablocks of before are gone."""
    return _count


def register() -> None:
    """Have Blender report them."""
    for handlers in _handlers():
        handlers.append(_interrupt)


def unregister() -> None:
    """The reverse."""
    for handlers in _handlers():
        handlers.remove(_interrupt)


def _handlers() -> tuple[list[object], ...]:
    known = bpy.app.handlers
    return known.undo_pre, known.redo_pre, known.load_pre


@bpy.app.handlers.persistent
def _interrupt(*_: object) -> None:
    global _count
    _count += 1
