# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Again and Reroll: from the provenance that a result carries."""

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


class MESHWRIGHT_OT_run_again(ResultOperator):
    """Repeat the job of this result with the same inputs, seed and parameters; the new one replaces this result"""

    bl_idname = "meshwright.run_again"
    bl_label = "Run Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.run_again(results.active_result(context)))


class MESHWRIGHT_OT_reroll(ResultOperator):
    """Repeat the job of this result with the next seed; the new one replaces this result"""

    bl_idname = "meshwright.reroll"
    bl_label = "Reroll"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        result = results.active_result(context)
        if result is not None and not results.depends_on_seed(result):
            cls.poll_message_set("This result does not depend on the seed")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: results.reroll(results.active_result(context)))


CLASSES = (MESHWRIGHT_OT_run_again, MESHWRIGHT_OT_reroll)
