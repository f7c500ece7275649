# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab's first panel: what is missing to begin with, what happens now, and the chosen task."""

import bpy

from ..preferences import backend_complaint, runs_in_process, runs_on_server
from ..properties import chosen_task
from ..setup.operators import online_complaint, runtime_state
from .now_strip import draw_now
from .room import room_in
from .task_panel import draw_task
from .task_row import draw_task_row
from .words import region_width, wrapped

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
            _draw_first_run(layout, context, complaint)
        room = room_in(context)
        draw_now(layout, context, room)
        draw_task_row(layout, context)
        draw_task(layout, context, chosen_task(context.scene), room)


def _draw_first_run(layout: bpy.types.UILayout, context: bpy.types.Context, complaint: str) -> None:
    box = layout.box()
    if runs_in_process() or runs_on_server():
        wrapped(box, complaint, region_width(context), "ERROR")
        box.operator("meshwright.open_preferences", icon="PREFERENCES")
        return
    wrapped(box, "One-time setup: install the AI engine (about 3.5 GB on disk).", region_width(context), "INFO")
    installation = runtime_state().installation
    if installation is not None:
        box.progress(factor=installation.fraction, text=installation.words)
        box.operator("meshwright.cancel_runtime", icon="X")
        return
    column = box.column()
    column.scale_y = 1.4
    column.operator("meshwright.install_runtime", icon="IMPORT")
    wrapped(box, online_complaint(bpy.app.online_access, bpy.app.online_access_override), region_width(context))
    box.operator("meshwright.open_preferences", text="Advanced Setup…", icon="PREFERENCES")


CLASSES = (MESHWRIGHT_PT_main,)
