# SPDX-License-Identifier: GPL-3.0-or-later
"""One operator for each task of each pipeline: meshwright.generate_parts, meshwright.reconstruct …"""

import bpy

from ..backend.contract import PipelineSpec, TaskSpec
from ..parameter_groups import tasks
from ..preferences import backend_complaint
from ..submission import missing_input, submit_task
from .attempt import attempt


class TaskOperator(bpy.types.Operator):
    """What the task operators share; `spec` and `task` are set on each class."""

    spec: PipelineSpec
    task: TaskSpec
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        missing = backend_complaint() or missing_input(context, cls.task)
        if missing:
            cls.poll_message_set(missing)
        return not missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: submit_task(context, self.spec, self.task))


def _operator(spec: PipelineSpec, task: TaskSpec) -> type[bpy.types.Operator]:
    return type(f"MESHWRIGHT_OT_{task.name}", (TaskOperator,), {
        "bl_idname": f"meshwright.{task.name}", "bl_label": task.label, "bl_description": task.description,
        "spec": spec, "task": task,
    })


CLASSES = tuple(_operator(spec, task) for spec, task in tasks())
