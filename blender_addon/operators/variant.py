# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several variants of a result is shown."""

import bpy

from ..deliver.variants import show_next, variants_of


class MESHWRIGHT_OT_show_next_variant(bpy.types.Operator):
    """Hide this variant and show the next one in its place. The first one is the best"""

    bl_idname = "meshwright.show_next_variant"
    bl_label = "Show Next Variant"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if context.mode != "OBJECT" or active is None or len(variants_of(active)) < 2:
            cls.poll_message_set("In Object Mode, select a result that has several variants")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        show_next(context.view_layer.objects.active, context.view_layer)
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_show_next_variant,)
