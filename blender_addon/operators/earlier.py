# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job of the history, of this session or an earlier one."""

import bpy

from .. import history, jobs
from ..delivery_note import ask_here
from ..gallery import state
from ..preferences import jobs_folder
from .attempt import attempt


class MESHWRIGHT_OT_refresh_history(bpy.types.Operator):
    """Read the jobs on the disk"""

    bl_idname = "meshwright.refresh_history"
    bl_label = "Refresh History"

    def execute(self, context: bpy.types.Context) -> set[str]:
        state.refresh()
        return {"FINISHED"}


class EarlierOperator:
    """An operator on one job folder, by its name."""

    bl_options = {"INTERNAL"}
    folder: bpy.props.StringProperty(name="Folder", options={"SKIP_SAVE", "HIDDEN"})


class MESHWRIGHT_OT_deliver_earlier(EarlierOperator, bpy.types.Operator):
    """Add this result to the scene again"""

    bl_idname = "meshwright.deliver_earlier"
    bl_label = "Deliver Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def deliver() -> None:
            folder = history.job_folder(jobs_folder(), self.folder)
            ask_here(folder)
            jobs.restore(folder)
        return attempt(self, deliver)


class MESHWRIGHT_OT_delete_earlier(EarlierOperator, bpy.types.Operator):
    """Delete the folder of this job. Results in the scene stay, but Run Again and Reroll no longer work on them"""

    bl_idname = "meshwright.delete_earlier"
    bl_label = "Delete Job"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def delete() -> None:
            if jobs.find(self.folder):
                jobs.remove(self.folder)
            state.delete(self.folder)
        return attempt(self, delete)


CLASSES = (MESHWRIGHT_OT_refresh_history, MESHWRIGHT_OT_deliver_earlier, MESHWRIGHT_OT_delete_earlier)
