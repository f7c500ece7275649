# SPDX-License-Identifier: GPL-3.0-or-later
"""The one row from which the artist chooses a task: icons for the most used, a menu for the others."""

import bpy

from ..offered_tasks import OfferedTask, blender_icon, offered
from ..properties import TASK, chosen_task, settings_of
from .words import region_width

CHARACTER, BUTTON = 7.0, 32.0
"""Pixels at the interface's scale 1: a letter of a label, and a button around it with its icon."""


class MESHWRIGHT_MT_tasks(bpy.types.Menu):
    """All tasks by their names"""

    bl_label = "More"
    bl_description = "Choose among all tasks"

    def draw(self, context: bpy.types.Context) -> None:
        settings = settings_of(context.scene)
        for item in offered():
            self.layout.prop_enum(settings, TASK, item.key)


def draw_task_row(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Where all labels fit each button has its own, else only that of the chosen task."""
    settings, chosen = settings_of(context.scene), chosen_task(context.scene)
    shown = row_of(chosen)
    room = region_width(context) - sum(len(item.label) * CHARACTER + BUTTON for item in shown) - BUTTON
    row = layout.row(align=True)
    for item in shown:
        row.prop_enum(settings, TASK, item.key, icon=blender_icon(item.task),
                      text=item.label if item == chosen or room > 0 else "")
    row.menu("MESHWRIGHT_MT_tasks", text="", icon="DOWNARROW_HLT")


def row_of(chosen: OfferedTask) -> list[OfferedTask]:
    """The tasks that have an icon, and the chosen one."""
    return [item for item in offered() if item.task.icon or item == chosen]


CLASSES = (MESHWRIGHT_MT_tasks,)
