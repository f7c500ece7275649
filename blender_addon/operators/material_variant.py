# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching between an object's material variants, and painting it once more."""

import bpy

from .. import results
from ..deliver.provenance import FOLDER
from ..materials.node_trees import remove_material
from ..materials.variants import (
    material_variants_of,
    remove_material_variant,
    show_material_variant,
    shown_material_variant,
)
from ..offered_tasks import OfferedTask
from ..preferences import backend_complaint
from ..properties import settings_of
from ..submission import submit_task
from ..task_inputs import complaint
from .attempt import attempt


class MaterialVariantOperator(bpy.types.Operator):
    """An operator on the active object's material variants."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if active is None or not len(material_variants_of(active)):
            cls.poll_message_set("Select an object with a material by Meshwright")
            return False
        return True


class MESHWRIGHT_OT_show_material_variant(MaterialVariantOperator):
    """Show this material variant. The others are kept"""

    bl_idname = "meshwright.show_material_variant"
    bl_label = "Show Material Variant"

    index: bpy.props.IntProperty(min=0, options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_material_variant(active, min(self.index, len(material_variants_of(active)) - 1))
        return {"FINISHED"}


class MESHWRIGHT_OT_compare_material_variants(MaterialVariantOperator):
    """Switch between the original materials and the newest variant"""

    bl_idname = "meshwright.compare_material_variants"
    bl_label = "Before / After"

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        show_material_variant(active, 0 if shown_material_variant(active) else len(material_variants_of(active)) - 1)
        return {"FINISHED"}


class MESHWRIGHT_OT_remove_material_variant(MaterialVariantOperator):
    """Remove the shown material variant, and its material and texture if nothing else uses them"""

    bl_idname = "meshwright.remove_material_variant"
    bl_label = "Remove Material Variant"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not shown_material_variant(context.view_layer.objects.active):
            cls.poll_message_set("The original materials cannot be removed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        for material in remove_material_variant(active, shown_material_variant(active)):
            if FOLDER in material:
                remove_material(material)
        return {"FINISHED"}


class MESHWRIGHT_OT_refine_from_view(MaterialVariantOperator):
    """Repaint the visible part of the selection with the settings of the task that painted it"""

    bl_idname = "meshwright.refine_from_view"
    bl_label = "Refine from This View"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        painter = results.painter_of(context.view_layer.objects.active)
        missing = backend_complaint() or (complaint(context, painter) if painter else
                                          "The task that painted this object cannot repaint single faces")
        if missing:
            cls.poll_message_set(missing)
        return not missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = settings_of(context.scene)
        kept, settings.paint_scope = settings.paint_scope, "VIEW"
        try:
            return attempt(self, lambda: submit_task(context, _painter(context)))
        finally:
            settings.paint_scope = kept


def _painter(context: bpy.types.Context) -> OfferedTask:
    """What painted the active object, which `poll` has asked for."""
    painter = results.painter_of(context.view_layer.objects.active)
    assert painter is not None
    return painter


class MESHWRIGHT_OT_reroll_material(MaterialVariantOperator):
    """Repeat the job of this material variant with the next seed. This variant is kept"""

    bl_idname = "meshwright.reroll_material"
    bl_label = "Reroll"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if results.shown_material(context.view_layer.objects.active) is None:
            cls.poll_message_set("Show the material variant to repeat")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.reroll_material(context.view_layer.objects.active))


CLASSES = (MESHWRIGHT_OT_show_material_variant, MESHWRIGHT_OT_compare_material_variants,
           MESHWRIGHT_OT_remove_material_variant, MESHWRIGHT_OT_refine_from_view, MESHWRIGHT_OT_reroll_material)
