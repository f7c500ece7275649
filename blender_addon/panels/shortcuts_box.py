# SPDX-License-Identifier: GPL-3.0-or-later
"""The keymap entries of all tasks, in the preferences."""

import bpy
import rna_keymap_ui

from ..shortcuts import entries


def draw_shortcuts(layout: bpy.types.UILayout) -> None:
    """Blender's own rows, folded away."""
    header, body = layout.panel("meshwright_shortcuts", default_closed=True)
    header.label(text="Shortcuts")
    if body is None:
        return
    column = body.column()
    configuration = bpy.context.window_manager.keyconfigs.user
    for keymap, item in entries():
        rna_keymap_ui.draw_kmi([], configuration, keymap, item, column, 0)
