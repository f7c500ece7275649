# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job of the list."""

import bpy

from .. import history, jobs
from ..backend.contract import JobFolder, MeshwrightError
from ..delivery_note import ask_here
from ..preferences import jobs_folder
from ..remedies import apply_remedy, retry
from ..translations import translated
from .attempt import attempt


class JobOperator:
    """An operator on one job of the list, named by its id."""

    bl_options = {"INTERNAL"}
    job: bpy.props.StringProperty(name="Job", options={"SKIP_SAVE", "HIDDEN"})

    def found(self) -> jobs.Job:
        """The job. Raises MeshwrightError when it is no longer in the list."""
        job = jobs.find(self.job)
        if job is None:
            raise MeshwrightError("This job is no longer in the list.", "It was removed.", "Look into the history.")
        return job


class MESHWRIGHT_OT_cancel_job(JobOperator, bpy.types.Operator):
    """Stop this job. The model stays loaded"""

    bl_idname = "meshwright.cancel_job"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.cancel(self.found().request.job))


class MESHWRIGHT_OT_retry_job(JobOperator, bpy.types.Operator):
    """Run this job again with the same inputs and settings"""

    bl_idname = "meshwright.retry_job"
    bl_label = "Retry"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: retry(self.found()))


class MESHWRIGHT_OT_remove_job(JobOperator, bpy.types.Operator):
    """Remove this job from the list. Its folder is kept"""

    bl_idname = "meshwright.remove_job"
    bl_label = "Remove from List"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: jobs.remove(self.found().request.job))


class MESHWRIGHT_OT_deliver_again(JobOperator, bpy.types.Operator):
    """Add the result of this job to the scene again"""

    bl_idname = "meshwright.deliver_again"
    bl_label = "Deliver Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def deliver() -> None:
            ask_here(self.found().folder)
            jobs.deliver_again(self.job)
        return attempt(self, deliver)


class MESHWRIGHT_OT_open_log(JobOperator, bpy.types.Operator):
    """Open the log of this job"""

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
    """Open the folder of this job in the file browser"""

    bl_idname = "meshwright.open_job_folder"
    bl_label = "Open Folder"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: bpy.ops.wm.path_open(filepath=str(self.found().folder.path)))


class MESHWRIGHT_OT_copy_error(JobOperator, bpy.types.Operator):
    """Copy the whole error with its details to the clipboard"""

    bl_idname = "meshwright.copy_error"
    bl_label = "Copy Error"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def copy() -> None:
            error = self.found().error
            context.window_manager.clipboard = f"{error}\n\n{error.details if error else ''}".strip()
        return attempt(self, copy)


class MESHWRIGHT_OT_apply_remedy(JobOperator, bpy.types.Operator):
    """Fix this problem"""

    bl_idname = "meshwright.apply_remedy"
    bl_label = "Fix"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: apply_remedy(self.found()))


class MESHWRIGHT_OT_free_memory(bpy.types.Operator):
    """Unload all models that are not in use, so that Blender can use the GPU memory"""

    bl_idname = "meshwright.free_memory"
    bl_label = "Free GPU Memory"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, jobs.free_memory)


class MESHWRIGHT_OT_recover_results(bpy.types.Operator):
    """Add finished results that never reached a scene, for example because Blender crashed"""

    bl_idname = "meshwright.recover_results"
    bl_label = "Recover Results"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = [entry.folder for entry in history.undelivered(jobs_folder()) if not _runs(entry.folder.path.name)]
        faults = [fault for folder in found if (fault := _recover(folder))]
        found_words = f"Finished results found: {len(found)}"
        self.report({"INFO"}, translated(found_words))
        if faults:
            self.report({"WARNING"}, translated("\n".join([f"{len(faults)} could not be added:", *faults])))
        return {"FINISHED"}


def _recover(folder: JobFolder) -> str:
    """Deliver a finished job of an earlier session into this file. Returns why it cannot be, or "": one result does
    not keep the others back."""
    try:
        ask_here(folder)
        jobs.restore(folder)
    except MeshwrightError as error:
        return f"{folder.path.name}: {error}"
    return ""


def _runs(name: str) -> bool:
    """Whether the job is about to be delivered anyway."""
    job = jobs.find(name)
    return job is not None and not job.ended


class MESHWRIGHT_OT_resume_queue(bpy.types.Operator):
    """Start the waiting jobs"""

    bl_idname = "meshwright.resume_queue"
    bl_label = "Resume Queue"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, jobs.resume)


class MESHWRIGHT_OT_restart_engine(bpy.types.Operator):
    """End the engine that is not responding and run its job again"""

    bl_idname = "meshwright.restart_engine"
    bl_label = "Restart Engine"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, jobs.restart_worker)


class MESHWRIGHT_OT_open_preferences(bpy.types.Operator):
    """Show the preferences of Meshwright"""

    bl_idname = "meshwright.open_preferences"
    bl_label = "Preferences"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=__package__.rpartition(".")[0])
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_cancel_job, MESHWRIGHT_OT_retry_job, MESHWRIGHT_OT_remove_job, MESHWRIGHT_OT_deliver_again,
           MESHWRIGHT_OT_open_log, MESHWRIGHT_OT_open_job_folder, MESHWRIGHT_OT_copy_error,
           MESHWRIGHT_OT_apply_remedy, MESHWRIGHT_OT_free_memory, MESHWRIGHT_OT_recover_results,
           MESHWRIGHT_OT_resume_queue, MESHWRIGHT_OT_restart_engine,
           MESHWRIGHT_OT_open_preferences)
