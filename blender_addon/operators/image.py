# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the image comes from: a dropped file, the clipboard, the Render Result, the camera's view, the viewport, an
example."""

from collections.abc import Callable, Sequence
from pathlib import Path

import bpy

from ..backend.contract import BadInput
from ..capture import view_of_objects
from ..capture.clipboard import paste_image
from ..capture.rendered import has_render
from ..capture.viewport import viewport_image
from ..offered_tasks import OfferedTask, offered
from ..properties import choose_task, chosen_task, image_path, image_slots, set_image
from .attempt import attempt

EXAMPLE = Path(__file__).parents[1] / "examples" / "chair.png"
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr", ".hdr")


def first_slot() -> str:
    """The path of the image slot that the first of the panels shows, "" when no task takes an image."""
    return next(iter(image_slots(offered())), "")


def use_image_file(context: bpy.types.Context, path: Path, slot: str) -> None:
    """Load an image and choose it for a slot. Raises BadInput for a file that is not an image."""
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise BadInput(f"{path.name} cannot be opened.", str(error).strip(), "Choose another image.") from error
    if not image.size[0]:
        if image.users == 0:
            bpy.data.images.remove(image)
        raise BadInput(f"{path.name} is not an image.", "Blender cannot read it.", "Choose a PNG, JPEG or WebP file.")
    set_image(context.scene, slot, image)


def use_render_result(context: bpy.types.Context, slot: str) -> None:
    """Choose the Render Result for a slot; it is captured as it is when the job starts."""
    set_image(context.scene, slot, next(item for item in bpy.data.images if item.type == "RENDER_RESULT"))


def central_slot(task: OfferedTask) -> str:
    """The path of the first image that the task needs, or needs unless it has something else; "" where it has none."""
    images = [wanted for wanted in task.task.inputs if wanted.kind == "image"]
    wanted = next((wanted for wanted in images if wanted.required
                   or any(wanted.name in names for names in task.task.needs_one_of)), None)
    return image_path(task, wanted) if wanted else ""


def _task_menu(tasks: Sequence[OfferedTask], path: str) -> Callable[[bpy.types.Menu, bpy.types.Context], None]:
    def draw(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
        for item in tasks:
            button = menu.layout.operator("meshwright.drop_image", text=item.label)
            button.filepath, button.task = path, item.key
    return draw


class ImageOperator(bpy.types.Operator):
    """An operator that chooses the image of a slot, which is named by its path; "" stands for the first one."""

    slot: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not first_slot():
            cls.poll_message_set("No task takes an image")
            return False
        return True

    @property
    def chosen_slot(self) -> str:
        """The path of the slot."""
        return self.slot or first_slot()


class MESHWRIGHT_OT_drop_image(ImageOperator):
    """Use this image as the input of Meshwright"""

    bl_idname = "meshwright.drop_image"
    bl_label = "Use in Meshwright"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    task: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """The image is for the task that the tab shows, if that takes one; else ask, where several tasks do."""
        if not self.task and not self.slot:
            fitting = [item for item in offered() if central_slot(item)]
            shown = chosen_task(context.scene)
            if shown not in fitting and len(fitting) > 1:
                context.window_manager.popup_menu(_task_menu(fitting, self.filepath), title="Use in Meshwright")
                return {"CANCELLED"}
            self.task = (shown if shown in fitting else fitting[0]).key
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        task = next((item for item in offered() if item.key == self.task), None)
        if task is not None:
            choose_task(context.scene, task)
            self.slot = central_slot(task)
        return attempt(self, lambda: use_image_file(context, Path(bpy.path.abspath(self.filepath)), self.chosen_slot))


class MESHWRIGHT_OT_paste_image(ImageOperator):
    """Use the image in the clipboard"""

    bl_idname = "meshwright.paste_image"
    bl_label = "Paste Image"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.area is None:
            cls.poll_message_set("The clipboard needs a window of Blender")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def paste() -> None:
            set_image(context.scene, self.chosen_slot, paste_image(context))
        return attempt(self, paste)


class MESHWRIGHT_OT_use_render_result(ImageOperator):
    """Use the last rendered image"""

    bl_idname = "meshwright.use_render_result"
    bl_label = "Use Render Result"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not has_render():
            cls.poll_message_set("Nothing was rendered yet: render an image first (F12)")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: use_render_result(context, self.chosen_slot))


class MESHWRIGHT_OT_capture_view(ImageOperator):
    """Render only the selected objects on a transparent background through the camera, and use that image"""

    bl_idname = "meshwright.capture_view"
    bl_label = "Camera View of Selected"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.selected_objects:
            cls.poll_message_set("Select the objects to render")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def capture() -> None:
            set_image(context.scene, self.chosen_slot, view_of_objects(context, context.selected_objects))
        return attempt(self, capture)


class MESHWRIGHT_OT_capture_viewport(ImageOperator):
    """Use what this 3D viewport shows, without overlays and background"""

    bl_idname = "meshwright.capture_viewport"
    bl_label = "Viewport"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not isinstance(context.space_data, bpy.types.SpaceView3D):
            cls.poll_message_set("Only a 3D viewport shows the scene")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: set_image(context.scene, self.chosen_slot, viewport_image(context)))


class MESHWRIGHT_OT_try_example(ImageOperator):
    """Use the image of a chair that comes with Meshwright"""

    bl_idname = "meshwright.try_example"
    bl_label = "Try an Example"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: use_image_file(context, EXAMPLE, self.chosen_slot))


class MESHWRIGHT_FH_image(bpy.types.FileHandler):
    bl_idname = "MESHWRIGHT_FH_image"
    bl_label = "Use in Meshwright"
    bl_import_operator = MESHWRIGHT_OT_drop_image.bl_idname
    bl_file_extensions = ";".join(EXTENSIONS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D" and bool(first_slot())


CLASSES = (MESHWRIGHT_OT_drop_image, MESHWRIGHT_OT_paste_image, MESHWRIGHT_OT_use_render_result,
           MESHWRIGHT_OT_capture_view, MESHWRIGHT_OT_capture_viewport, MESHWRIGHT_OT_try_example, MESHWRIGHT_FH_image)
