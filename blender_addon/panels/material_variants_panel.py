# SPDX-License-Identifier: GPL-3.0-or-later
"""The material variants of the selected objects: the original, and one for each result."""

import bpy

from ..materials.variants import common_keys, shown_key
from ..materials.viewport_shading import shows_textures
from ..results import textured_objects
from ..translations import translated
from .main_panel import RESULT_ORDER, SidebarPanel


class MESHWRIGHT_PT_material_variants(SidebarPanel, bpy.types.Panel):
    bl_label = "Material Variants"
    bl_order = RESULT_ORDER

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(textured_objects(context))

    def draw(self, context: bpy.types.Context) -> None:
        items, layout = textured_objects(context), self.layout
        if len(items) > 1:
            layout.label(text=translated(f"{len(items)} objects"), icon="OUTLINER_OB_MESH")
        if not shows_textures(context.space_data.shading):
            layout.operator("meshwright.show_textures", icon="SHADING_TEXTURE")
        shown = {shown_key(item) for item in items}
        column = layout.column(align=True)
        for index, key in enumerate(common_keys(items)):
            button = column.operator("meshwright.show_material_variant", text=key[0], depress=shown == {key},
                                     icon="RADIOBUT_ON" if key in shown else "RADIOBUT_OFF")
            button.index = index
        row = layout.row(align=True)
        row.operator("meshwright.compare_material_variants", icon="ARROW_LEFTRIGHT")
        row.operator("meshwright.reroll_material", icon="FILE_REFRESH")
        row.operator("meshwright.remove_material_variant", text="", icon="TRASH")
        row = layout.row(align=True)
        row.operator("meshwright.refine_from_view", icon="VIEW_CAMERA_UNSELECTED")
        row.operator("meshwright.show_views", text="", icon="IMAGE_REFERENCE")


CLASSES = (MESHWRIGHT_PT_material_variants,)
