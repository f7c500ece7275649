# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back and forth between an object's looks, and painting it once more."""

import bpy

from .. import results
from ..backend.contract import PipelineSpec, TaskSpec
from ..deliver.provenance import FOLDER
from ..materials.node_trees import remove_material
from ..materials.variants import (
    material_variants_of,
    remove_material_variant,
    show_material_variant,
    shown_material_variant,
)
from ..parameter_groups import tasks
from ..preferences import backend_complaint
from ..properties import settings_of
from ..submission import missing_input, mode_of, submit_task
from .attempt import attempt


class LookOperator(bpy.types.Operator):
    """An operator on the active object's looks."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if active is None or not len(material_variants_of(active)):
            cls.poll_message_set("Select an object that Meshwright textured")
            return False
        return True


class MESHWRIGHT_OT_show_look(LookOperator):
    """Show this look. The others are kept"""

    bl_idname = "meshwright.show_material_variant"
    bl_label = "Show Look"

    index: bpy.props.IntProperty(min=0, options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_material_variant(active, min(self.index, len(material_variants_of(active)) - 1))
        return {"FINISHED"}


class MESHWRIGHT_OT_compare_looks(LookOperator):
    """Switch between the look from before the first texture and the newest one"""

    bl_idname = "meshwright.compare_looks"
    bl_label = "Before / After"

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_material_variant(active, 0 if shown_material_variant(active) else len(material_variants_of(active)) - 1)
        return {"FINISHED"}


class MESHWRIGHT_OT_remove_look(LookOperator):
    """Forget the shown look and delete its texture if nothing else uses it"""

    bl_idname = "meshwright.remove_material_variant"
    bl_label = "Remove Look"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not shown_material_variant(context.view_layer.objects.active):
            cls.poll_message_set("The look from before is kept")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        for material in remove_material_variant(active, shown_material_variant(active)):
            if FOLDER in material:
                remove_material(material)
        return {"FINISHED"}


class MESHWRIGHT_OT_refine_from_view(LookOperator):
    """Paint what this view shows of the selected objects anew, by the prompt and the options of Texture, taking the
    view for the front; it lies over the shown look and is blended into it at the border"""

    bl_idname = "meshwright.refine_from_view"
    bl_label = "Refine from This View"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        missing = backend_complaint() or missing_input(context, texture_task()[1])
        if missing:
            cls.poll_message_set(missing)
        return not missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = settings_of(context.scene)
        kept, settings.paint_scope = settings.paint_scope, "VIEW"
        try:
            return attempt(self, lambda: submit_task(context, *texture_task()))
        finally:
            settings.paint_scope = kept


def texture_task() -> tuple[PipelineSpec, TaskSpec]:
    """The task that paints objects."""
    return next((spec, task) for spec, task in tasks() if mode_of(task) == "texture")


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
           MESHWRIGHT_OT_refine_from_view, MESHWRIGHT_OT_reroll_texture)
