# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job of the list."""

import bpy

from .. import history, jobs
from ..backend.contract import MeshwrightError
from ..preferences import jobs_folder
from ..remedies import apply_remedy
from ..submission import submit_again
from .attempt import attempt


class JobOperator:
    """An operator on one job of the list, named by its id."""

    bl_options = {"INTERNAL"}
    job: bpy.props.StringProperty(name="Job", options={"SKIP_SAVE", "HIDDEN"})

    def found(self) -> jobs.Job:
        """The job. Raises MeshwrightError when it is no longer in the list."""
        job = jobs.find(self.job)
        if job is None:
            raise MeshwrightError("This job is no longer in the list.", "It was removed.", "Start it again.")
        return job


class MESHWRIGHT_OT_cancel_job(JobOperator, bpy.types.Operator):
    """Stop this job. The loaded model stays"""

    bl_idname = "meshwright.cancel_job"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.cancel(self.found().request.job))


class MESHWRIGHT_OT_retry_job(JobOperator, bpy.types.Operator):
    """Start this job again, as it was"""

    bl_idname = "meshwright.retry_job"
    bl_label = "Retry"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: submit_again(self.found().folder))


class MESHWRIGHT_OT_remove_job(JobOperator, bpy.types.Operator):
    """Take this job out of the list. Its folder stays"""

    bl_idname = "meshwright.remove_job"
    bl_label = "Remove from List"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.remove(self.found().request.job))


class MESHWRIGHT_OT_deliver_again(JobOperator, bpy.types.Operator):
    """Put this finished job's result into the scene once more"""

    bl_idname = "meshwright.deliver_again"
    bl_label = "Deliver Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.deliver_again(self.found().request.job))


class MESHWRIGHT_OT_open_log(JobOperator, bpy.types.Operator):
    """Open this job's log"""

    bl_idname = "meshwright.open_log"
    bl_label = "Open Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def show() -> None:
            path = self.found().folder.log
            if not path.is_file():
                raise MeshwrightError("This job has no log yet.", "It has not started.", "Wait for it to start.")
            bpy.ops.wm.path_open(filepath=str(path))
        return attempt(self, show)


class MESHWRIGHT_OT_open_job_folder(JobOperator, bpy.types.Operator):
    """Open this job's folder in the file browser"""

    bl_idname = "meshwright.open_job_folder"
    bl_label = "Open Folder"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: bpy.ops.wm.path_open(filepath=str(self.found().folder.path)))


class MESHWRIGHT_OT_copy_error(JobOperator, bpy.types.Operator):
    """Copy this job's whole error, with its details, to the clipboard"""

    bl_idname = "meshwright.copy_error"
    bl_label = "Copy Error"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def copy() -> None:
            error = self.found().error
            context.window_manager.clipboard = f"{error}\n\n{error.details if error else ''}".strip()
        return attempt(self, copy)


class MESHWRIGHT_OT_apply_remedy(JobOperator, bpy.types.Operator):
    """Do what mends this error"""

    bl_idname = "meshwright.apply_remedy"
    bl_label = "Mend"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: apply_remedy(self.found()))


class MESHWRIGHT_OT_free_memory(bpy.types.Operator):
    """Unload every model that is not in use, so that Blender can have the GPU's memory"""

    bl_idname = "meshwright.free_memory"
    bl_label = "Free GPU Memory"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, jobs.free_memory)


class MESHWRIGHT_OT_recover_results(bpy.types.Operator):
    """Bring in finished results that never reached a scene, for example because Blender crashed"""

    bl_idname = "meshwright.recover_results"
    bl_label = "Recover Results"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = history.undelivered(jobs_folder())
        self.report({"INFO"}, f"{len(found) or 'No'} finished results were waiting")
        return attempt(self, lambda: [jobs.restore(entry.folder) for entry in found])


class MESHWRIGHT_OT_open_preferences(bpy.types.Operator):
    """Show Meshwright's preferences"""

    bl_idname = "meshwright.open_preferences"
    bl_label = "Preferences"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=__package__.rpartition(".")[0])
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_cancel_job, MESHWRIGHT_OT_retry_job, MESHWRIGHT_OT_remove_job, MESHWRIGHT_OT_deliver_again,
           MESHWRIGHT_OT_open_log, MESHWRIGHT_OT_open_job_folder, MESHWRIGHT_OT_copy_error,
           MESHWRIGHT_OT_apply_remedy, MESHWRIGHT_OT_free_memory, MESHWRIGHT_OT_recover_results,
           MESHWRIGHT_OT_open_preferences)
