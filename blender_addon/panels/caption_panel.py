# SPDX-License-Identifier: GPL-3.0-or-later
"""The active object's caption, and what it can be used for."""

import bpy

from ..deliver.caption import caption_of
from .main_panel import RESULT_ORDER, SidebarPanel
from .words import region_width, wrapped_as_is


class MESHWRIGHT_PT_caption(SidebarPanel, bpy.types.Panel):
    bl_label = "Caption"
    bl_order = RESULT_ORDER

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        return active is not None and bool(caption_of(active))

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        wrapped_as_is(layout, caption_of(context.view_layer.objects.active), region_width(context))
        column = layout.column(align=True)
        for use, text in (("NAME", "Use as Name"), ("DESCRIPTION", "Use as Asset Description"),
                          ("PROMPT", "Use as Prompt")):
            column.operator("meshwright.use_caption", text=text).use = use


CLASSES = (MESHWRIGHT_PT_caption,)
