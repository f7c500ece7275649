# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of this session and of earlier ones, as they were read last: a draw never looks at the disk."""

import bpy

from .. import recent
from .main_panel import HISTORY_ORDER, SidebarPanel


class MESHWRIGHT_PT_history(SidebarPanel, bpy.types.Panel):
    bl_label = "History"
    bl_order = HISTORY_ORDER
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        self.layout.operator("meshwright.refresh_history", text="", icon="FILE_REFRESH", emboss=False)

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        for line in recent.lines():
            row = layout.box().row()
            words = row.column(align=True)
            words.label(text=line.subject)
            below = words.row()
            below.active = False
            below.label(text=line.words)
            row.operator("meshwright.deliver_earlier", text="", icon="IMPORT", emboss=False).folder = line.folder
            row.operator("meshwright.delete_earlier", text="", icon="TRASH", emboss=False).folder = line.folder
        layout.label(text=recent.total_words())
        layout.operator("meshwright.recover_results", icon="RECOVER_LAST")


CLASSES = (MESHWRIGHT_PT_history,)
