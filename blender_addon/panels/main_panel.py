# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab's first panel: what is missing to begin with, then the result's name."""

import bpy

from ..preferences import backend_complaint
from ..properties import settings_of
from .setup_box import draw_setup

JOBS_ORDER, FIRST_TASK_ORDER, RESULT_ORDER, HISTORY_ORDER = 1, 2, 1000, 2000
"""Places of the panels below the first: what runs is in sight before any task, results come after the tasks, and
earlier jobs at the end."""


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
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings_of(context.scene), "subject")


CLASSES = (MESHWRIGHT_PT_main,)
