# SPDX-License-Identifier: GPL-3.0-or-later
"""A keymap entry for each task, without a key until the artist gives it one in the preferences."""

from collections.abc import Iterable, Iterator

import bpy

from .offered_tasks import OfferedTask

KEYMAP = "3D View"
_PREFIX = "meshwright."
_added: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def offer(tasks: Iterable[OfferedTask]) -> None:
    """Add an entry for each task. Blender without any key configuration gets none."""
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:
        return
    keymap = configuration.keymaps.new(KEYMAP, space_type="VIEW_3D")
    for offered in tasks:
        _added.append((keymap, keymap.keymap_items.new(_PREFIX + offered.key, "NONE", "PRESS")))


def withdraw() -> None:
    """Remove all entries; Blender keeps the artist's keys for when they come again."""
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()


def entries() -> Iterator[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]]:
    """The entries as the artist edits them."""
    keymap = bpy.context.window_manager.keyconfigs.user.keymaps.get(KEYMAP)
    if keymap is not None:
        yield from ((keymap, item) for item in keymap.keymap_items if item.idname.startswith(_PREFIX))
