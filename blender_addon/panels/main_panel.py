# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab's first panel: what is missing to begin with, what happens now, and the chosen task."""

import bpy

from ..preferences import backend_complaint
from ..properties import chosen_task
from .now_strip import draw_now
from .room import further_rows, room_in
from .setup_box import draw_setup
from .task_panel import draw_task
from .task_row import draw_task_row

RESULT_ORDER, HISTORY_ORDER = 1000, 2000
"""Places of the panels below the first."""


class SidebarPanel:
    """Where all of Meshwright's panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Meshwright"


class MESHWRIGHT_PT_main(SidebarPanel, bpy.types.Panel):
    bl_label = "Meshwright"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if complaint := backend_complaint():
            draw_setup(layout, context, complaint)
        offered = chosen_task(context.scene)
        room = room_in(context, further_rows(context, offered))
        draw_now(layout, context, room)
        draw_task_row(layout, context)
        draw_task(layout, context, offered, room)


CLASSES = (MESHWRIGHT_PT_main,)
