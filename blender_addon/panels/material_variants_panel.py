# SPDX-License-Identifier: GPL-3.0-or-later
"""The active object's material variants: the original, and one for each result."""

import bpy

from ..materials.variants import material_variants_of, shown_material_variant
from .main_panel import RESULT_ORDER, SidebarPanel


class MESHWRIGHT_PT_material_variants(SidebarPanel, bpy.types.Panel):
    bl_label = "Material Variants"
    bl_order = RESULT_ORDER

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        return active is not None and len(material_variants_of(active)) > 0

    def draw(self, context: bpy.types.Context) -> None:
        active, layout = context.view_layer.objects.active, self.layout
        shown = shown_material_variant(active)
        column = layout.column(align=True)
        for index, variant in enumerate(material_variants_of(active)):
            button = column.operator("meshwright.show_material_variant", text=variant.name, depress=index == shown,
                                     icon="RADIOBUT_ON" if index == shown else "RADIOBUT_OFF")
            button.index = index
        row = layout.row(align=True)
        row.operator("meshwright.compare_material_variants", icon="ARROW_LEFTRIGHT")
        row.operator("meshwright.reroll_material", icon="FILE_REFRESH")
        row.operator("meshwright.remove_material_variant", text="", icon="TRASH")
        layout.operator("meshwright.refine_from_view", icon="VIEW_CAMERA_UNSELECTED")


CLASSES = (MESHWRIGHT_PT_material_variants,)
