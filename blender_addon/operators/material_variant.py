# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching between the material variants of objects, and painting them once more."""

import bpy

from .. import results
from ..deliver.provenance import FOLDER
from ..materials.node_trees import remove_material
from ..materials.variants import (
    common_keys,
    material_variants_of,
    remove_material_variant,
    show_material_variant,
    show_variant,
    shown_key,
    shown_material_variant,
)
from ..offered_tasks import OfferedTask
from ..preferences import backend_complaint
from ..properties import settings_of
from ..submission import submit_task
from ..task_inputs import complaint
from ..translations import translated
from .attempt import attempt


class MaterialVariantOperator(bpy.types.Operator):
    """An operator on the material variants of the selected objects, and of those below selected empties."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not results.textured_objects(context):
            cls.poll_message_set("Select an object with a material by Meshwright")
            return False
        return True


class MESHWRIGHT_OT_show_material_variant(MaterialVariantOperator):
    """Show this material variant on all selected objects that have it. The others are kept"""

    bl_idname = "meshwright.show_material_variant"
    bl_label = "Show Material Variant"

    index: bpy.props.IntProperty(min=0, options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        items = results.textured_objects(context)
        keys = common_keys(items)
        show_variant(items, keys[min(self.index, len(keys) - 1)])
        return {"FINISHED"}


class MESHWRIGHT_OT_compare_material_variants(MaterialVariantOperator):
    """Switch between the original materials and the newest variant"""

    bl_idname = "meshwright.compare_material_variants"
    bl_label = "Before / After"

    def execute(self, context: bpy.types.Context) -> set[str]:
        items = results.textured_objects(context)
        after = not any(map(shown_material_variant, items))
        for item in items:
            show_material_variant(item, len(material_variants_of(item)) - 1 if after else 0)
        return {"FINISHED"}


class MESHWRIGHT_OT_remove_material_variant(MaterialVariantOperator):
    """Remove the shown material variant, and its material and texture if nothing else uses them"""

    bl_idname = "meshwright.remove_material_variant"
    bl_label = "Remove Material Variant"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not shown_material_variant(results.textured_objects(context)[0]):
            cls.poll_message_set("The original materials cannot be removed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        items = results.textured_objects(context)
        key = shown_key(items[0])
        for item in [item for item in items if shown_key(item) == key]:
            for material in remove_material_variant(item, shown_material_variant(item)):
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
        painter = results.painter_of(results.textured_objects(context)[0])
        missing = backend_complaint() or (complaint(context, painter) if painter else
                                          "The task that painted this object cannot repaint single faces")
        if missing:
            cls.poll_message_set(translated(missing))
        return not missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = settings_of(context.scene)
        kept, settings.paint_scope = settings.paint_scope, "VIEW"
        try:
            return attempt(self, lambda: submit_task(context, _painter(context)))
        finally:
            settings.paint_scope = kept


def _painter(context: bpy.types.Context) -> OfferedTask:
    """What painted the selected objects, which `poll` has asked for."""
    painter = results.painter_of(results.textured_objects(context)[0])
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
        if not results.shown_materials(results.textured_objects(context)):
            cls.poll_message_set("Show the material variant to repeat")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.reroll_materials(results.textured_objects(context)))


CLASSES = (MESHWRIGHT_OT_show_material_variant, MESHWRIGHT_OT_compare_material_variants,
           MESHWRIGHT_OT_remove_material_variant, MESHWRIGHT_OT_refine_from_view, MESHWRIGHT_OT_reroll_material)
