# SPDX-License-Identifier: GPL-3.0-or-later
"""One operator for each task of each pipeline, called `meshwright.<pipeline>_<task>`."""

import bpy

from ..offered_tasks import OfferedTask
from ..preferences import backend_complaint
from ..submission import submit_task
from ..task_inputs import complaint
from ..translations import translated
from .attempt import attempt


class TaskOperator(bpy.types.Operator):
    """What the task operators share; `offered` is set on each class."""

    offered: OfferedTask
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        missing = backend_complaint() or complaint(context, cls.offered)
        if missing:
            cls.poll_message_set(translated(missing))
        return not missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: submit_task(context, self.offered))


def operator_class(offered: OfferedTask) -> type[bpy.types.Operator]:
    """The operator of one task, to be registered."""
    return type(f"MESHWRIGHT_OT_{offered.key}", (TaskOperator,), {
        "bl_idname": f"meshwright.{offered.key}", "bl_label": offered.label,
        "bl_description": offered.task.description, "offered": offered,
    })
