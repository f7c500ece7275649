# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back and forth between an object's looks, and painting it once more."""

import bpy

from .. import results
from ..deliver.recipe import FOLDER
from ..texture.looks import looks_of, remove_look, show_look, shown_look
from ..texture.material import remove_material
from .attempt import attempt


class LookOperator(bpy.types.Operator):
    """An operator on the active object's looks."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if active is None or not len(looks_of(active)):
            cls.poll_message_set("Select an object that Meshwright textured")
            return False
        return True


class MESHWRIGHT_OT_show_look(LookOperator):
    """Show this look. The others are kept"""

    bl_idname = "meshwright.show_look"
    bl_label = "Show Look"

    index: bpy.props.IntProperty(min=0, options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_look(active, min(self.index, len(looks_of(active)) - 1))
        return {"FINISHED"}


class MESHWRIGHT_OT_compare_looks(LookOperator):
    """Switch between the look from before the first texture and the newest one"""

    bl_idname = "meshwright.compare_looks"
    bl_label = "Before / After"

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_look(active, 0 if shown_look(active) else len(looks_of(active)) - 1)
        return {"FINISHED"}


class MESHWRIGHT_OT_remove_look(LookOperator):
    """Forget the shown look and delete its texture if nothing else uses it"""

    bl_idname = "meshwright.remove_look"
    bl_label = "Remove Look"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not shown_look(context.view_layer.objects.active):
            cls.poll_message_set("The look from before is kept")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        for material in remove_look(active, shown_look(active)):
            if FOLDER in material:
                remove_material(material)
        return {"FINISHED"}


class MESHWRIGHT_OT_reroll_texture(LookOperator):
    """Paint once more with the next seed what was painted together. This texture stays among the looks"""

    bl_idname = "meshwright.reroll_texture"
    bl_label = "Reroll"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if results.shown_texture(context.view_layer.objects.active) is None:
            cls.poll_message_set("Show the look that is to be painted anew")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.reroll_texture(context.view_layer.objects.active))


CLASSES = (MESHWRIGHT_OT_show_look, MESHWRIGHT_OT_compare_looks, MESHWRIGHT_OT_remove_look,
           MESHWRIGHT_OT_reroll_texture)
