# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender 5 leaves behind of a file that Blender 4 saved.

Until 4.5 an add-on's properties lay among the custom properties. From 5.0 on they have a place of their own, and a file
of before comes with both: the copies among the custom properties are never read and never change, and hold materials
that the artist deletes for ever.
"""

import bpy

from .materials.variants import SHOWN, VARIANTS
from .properties import NAME


def register() -> None:
    """Have Blender report files that are opened."""
    if bpy.app.version >= (5, 0, 0):
        bpy.app.handlers.load_post.append(_after_load)


def unregister() -> None:
    """The reverse."""
    if _after_load in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_after_load)


def remove_copies() -> None:
    """Delete the copies. Linked datablocks keep theirs, which is not ours to change."""
    for scene in bpy.data.scenes:
        _remove(scene, NAME)
    for item in bpy.data.objects:
        _remove(item, VARIANTS)
        _remove(item, SHOWN)


def _remove(block: bpy.types.ID, name: str) -> None:
    if name in block.keys() and block.is_editable:  # noqa: SIM118  an ID is no mapping
        del block[name]


@bpy.app.handlers.persistent
def _after_load(*_: object) -> None:
    remove_copies()
