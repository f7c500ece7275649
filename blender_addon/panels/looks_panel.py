# SPDX-License-Identifier: GPL-3.0-or-later
"""The active object's looks: what it showed before, and each texture since."""

import bpy

from ..materials.variants import material_variants_of, shown_material_variant
from .main_panel import SidebarPanel


class MESHWRIGHT_PT_looks(SidebarPanel, bpy.types.Panel):
    bl_label = "Looks"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        return active is not None and len(material_variants_of(active)) > 0

    def draw(self, context: bpy.types.Context) -> None:
        active, layout = context.view_layer.objects.active, self.layout
        shown = shown_material_variant(active)
        column = layout.column(align=True)
        for index, look in enumerate(material_variants_of(active)):
            row = column.operator("meshwright.show_material_variant", text=look.name, depress=index == shown,
                                  icon="RADIOBUT_ON" if index == shown else "RADIOBUT_OFF")
            row.index = index
        row = layout.row(align=True)
        row.operator("meshwright.compare_looks", icon="ARROW_LEFTRIGHT")
        row.operator("meshwright.reroll_texture", icon="FILE_REFRESH")
        row.operator("meshwright.remove_material_variant", text="", icon="TRASH")
        layout.operator("meshwright.refine_from_view", icon="VIEW_CAMERA_UNSELECTED")


CLASSES = (MESHWRIGHT_PT_looks,)
