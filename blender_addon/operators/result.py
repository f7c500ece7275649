# SPDX-License-Identifier: GPL-3.0-or-later
"""Redo and Reroll: from the recipe that a result carries."""

import bpy

from .. import results
from .attempt import attempt


class ResultOperator(bpy.types.Operator):
    """An operator on the result that the active object belongs to."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if results.active_result(context) is None:
            cls.poll_message_set("Select a result of Meshwright")
            return False
        return True


class MESHWRIGHT_OT_redo(ResultOperator):
    """Make this result once more with the same image, seed and options; it takes this one's place"""

    bl_idname = "meshwright.redo"
    bl_label = "Redo"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.redo(results.active_result(context)))


class MESHWRIGHT_OT_reroll(ResultOperator):
    """Make another variant: the same image and options with the next seed; it takes this one's place"""

    bl_idname = "meshwright.reroll"
    bl_label = "Reroll"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        result = results.active_result(context)
        if result is not None and not results.depends_on_seed(result):
            cls.poll_message_set("There is no chance in how this result was made")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.reroll(results.active_result(context)))


CLASSES = (MESHWRIGHT_OT_redo, MESHWRIGHT_OT_reroll)
