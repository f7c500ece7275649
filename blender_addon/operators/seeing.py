# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing a texture: in the viewport, and the views that it was made from."""

import bpy

from .. import image_window, jobs, results
from ..backend.contract import BadInput, JobFolder
from ..materials.viewport_shading import show_textures, shows_textures
from .attempt import attempt, has_window


class MESHWRIGHT_OT_show_textures(bpy.types.Operator):
    """Show textures in this 3D viewport"""

    bl_idname = "meshwright.show_textures"
    bl_label = "Show Textures"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not isinstance(context.space_data, bpy.types.SpaceView3D):
            cls.poll_message_set("Only a 3D viewport can show textures")
            return False
        if shows_textures(context.space_data.shading):
            cls.poll_message_set("This viewport shows textures already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        materials = results.shown_materials(results.textured_objects(context))
        show_textures(context.space_data.shading, materials)
        return {"FINISHED"}


class MESHWRIGHT_OT_show_views(bpy.types.Operator):
    """Show all views of this job large, in an Image Editor"""

    bl_idname = "meshwright.show_views"
    bl_label = "Show Views"

    job: bpy.props.StringProperty(name="Job", options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_window(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def show() -> None:
            folder, subject = self._made_by(context)
            path = image_window.views_of(folder)
            if path is None:
                raise BadInput("There are no views to show.", "This job has shown no image of its work.",
                               "Wait for the first one, or start the job again.")
            image_window.show_views(context, path, subject)
        return attempt(self, show)

    def _made_by(self, context: bpy.types.Context) -> tuple[JobFolder, str]:
        """The job's folder and subject; without a job, those of the material that the selected objects show."""
        job = jobs.find(self.job)
        if job is not None:
            return job.folder, job.request.subject
        materials = results.shown_materials(results.textured_objects(context))
        if not materials:
            raise BadInput("There are no views to show.", "The selected objects show no material by Meshwright.",
                           "Show a material variant.")
        return results.folder_of(materials[0]), materials[0].name


CLASSES = (MESHWRIGHT_OT_show_textures, MESHWRIGHT_OT_show_views)
