# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a prompt of several lines in Blender's own Text Editor."""

import bpy

from .. import offered_tasks
from ..backend.contract import MeshwrightError, Parameter
from ..offered_tasks import OfferedTask
from ..parameter_groups import property_names, text_property
from ..properties import group_of
from .attempt import attempt


class PromptOperator:
    """An operator on one multi-line parameter of a task."""

    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    pipeline: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    task: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    parameter: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def found(self) -> tuple[OfferedTask, Parameter]:
        """The task and its parameter. Raises MeshwrightError when there is no such task any more."""
        offered = offered_tasks.find(self.pipeline, self.task)
        if offered is None:
            raise MeshwrightError("This task no longer exists.", "Its pipeline was removed.", "Choose another task.")
        return offered, next(item for item in offered.task.parameters if item.name == self.parameter)


class MESHWRIGHT_OT_edit_prompt(PromptOperator, bpy.types.Operator):
    """Edit this text in the Text Editor, where it can have several lines"""

    bl_idname = "meshwright.edit_prompt"
    bl_label = "Edit in Text Editor"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def edit() -> None:
            offered, parameter = self.found()
            group, pointer = group_of(context.scene, offered), text_property(offered.task, parameter)
            text = getattr(group, pointer) or bpy.data.texts.new(f"{offered.task.label} {parameter.label}")
            if getattr(group, pointer) is None:
                text.write(getattr(group, property_names(offered.task)[parameter.name]))
                setattr(group, pointer, text)
            _show(context, text)
        return attempt(self, edit)


class MESHWRIGHT_OT_finish_prompt(PromptOperator, bpy.types.Operator):
    """Take the text back into the sidebar's field, as one line"""

    bl_idname = "meshwright.finish_prompt"
    bl_label = "Back to Field"

    def execute(self, context: bpy.types.Context) -> set[str]:
        def finish() -> None:
            offered, parameter = self.found()
            group, pointer = group_of(context.scene, offered), text_property(offered.task, parameter)
            if text := getattr(group, pointer):
                words = " ".join(text.as_string().split())
                setattr(group, property_names(offered.task)[parameter.name], words)
                setattr(group, pointer, None)
        return attempt(self, finish)


def _show(context: bpy.types.Context, text: bpy.types.Text) -> None:
    """Show the text in a Text Editor that is open, else in one of a window of its own."""
    areas = [area for window in context.window_manager.windows for area in window.screen.areas]
    editor = next((area for area in areas if area.type == "TEXT_EDITOR"), None)
    if editor is None and bpy.ops.wm.window_new.poll():
        bpy.ops.wm.window_new()
        editor = context.window_manager.windows[-1].screen.areas[0]
        editor.type = "TEXT_EDITOR"
    if editor is not None:
        editor.spaces.active.text = text
        editor.spaces.active.show_word_wrap = True


CLASSES = (MESHWRIGHT_OT_edit_prompt, MESHWRIGHT_OT_finish_prompt)
