# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue's order, and what arrived: show it, select it."""

import bpy

from .. import jobs
from ..backend.contract import MeshwrightError
from ..deliver.framing import frame
from ..deliver.scene import select_only
from .attempt import attempt
from .job import JobOperator


class MESHWRIGHT_OT_move_job(JobOperator, bpy.types.Operator):
    """Change when this job runs"""

    bl_idname = "meshwright.move_job"
    bl_label = "Move in Queue"

    step: bpy.props.IntProperty(name="Step", default=-1, options={"SKIP_SAVE", "HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.move(self.job, self.step))


class MESHWRIGHT_OT_cancel_all(bpy.types.Operator):
    """Cancel all jobs that run or wait"""

    bl_idname = "meshwright.cancel_all"
    bl_label = "Cancel All"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, jobs.cancel_all)


class ArrivedOperator(JobOperator):
    """An operator on the objects that a job brought."""

    def arrived(self) -> list[bpy.types.Object]:
        """Those that still exist. Raises MeshwrightError when none does."""
        items = [item for name in self.found().objects if (item := bpy.data.objects.get(name)) and item.users_scene]
        if not items:
            raise MeshwrightError("The result is no longer in the scene.", "It was deleted or undone.",
                                  "Deliver it again.")
        return items


class MESHWRIGHT_OT_frame_result(ArrivedOperator, bpy.types.Operator):
    """Show this result in the 3D viewports"""

    bl_idname = "meshwright.frame_result"
    bl_label = "Frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: frame(self.arrived(), context.scene))


class MESHWRIGHT_OT_select_result(ArrivedOperator, bpy.types.Operator):
    """Select this result and nothing else"""

    bl_idname = "meshwright.select_result"
    bl_label = "Select"
    bl_options = {"INTERNAL", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Objects are selected in Object Mode")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        def select() -> None:
            items = [item for item in self.arrived() if item.name in context.view_layer.objects]
            if items:
                select_only([item for item in items if not item.hide_get()], items[0], context.view_layer)
        return attempt(self, select)


CLASSES = (MESHWRIGHT_OT_move_job, MESHWRIGHT_OT_cancel_all, MESHWRIGHT_OT_frame_result, MESHWRIGHT_OT_select_result)
