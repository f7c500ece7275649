# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the image comes from: a dropped file, the clipboard, the Render Result, the camera's view."""

from pathlib import Path

import bpy

from ..backend.contract import BadInput
from ..capture import view_of_objects
from ..capture.clipboard import paste_image
from ..properties import settings_of
from .attempt import attempt

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr", ".hdr")


def use_image_file(context: bpy.types.Context, path: Path) -> None:
    """Load an image and make it the panel's. Raises BadInput for a file that is none."""
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise BadInput(f"{path.name} cannot be opened.", str(error).strip(), "Choose another image.") from error
    if not image.size[0]:
        if image.users == 0:
            bpy.data.images.remove(image)
        raise BadInput(f"{path.name} is no image.", "Blender cannot read it.", "Choose a PNG, JPEG or WebP file.")
    settings_of(context.scene).image = image


def use_render_result(context: bpy.types.Context) -> None:
    """Make the Render Result the panel's image; it is captured as it is when the job starts. Raises BadInput."""
    image = next((item for item in bpy.data.images if item.type == "RENDER_RESULT"), None)
    if image is None:
        raise BadInput("There is no rendered image.", "Nothing was rendered yet.", "Render one first (F12).")
    settings_of(context.scene).image = image


class MESHWRIGHT_OT_drop_image(bpy.types.Operator):
    """Use this image for Meshwright"""

    bl_idname = "meshwright.drop_image"
    bl_label = "Use in Meshwright"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: use_image_file(context, Path(bpy.path.abspath(self.filepath))))


class MESHWRIGHT_OT_paste_image(bpy.types.Operator):
    """Use the image in the clipboard"""

    bl_idname = "meshwright.paste_image"
    bl_label = "Paste Image"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.area is None:
            cls.poll_message_set("Blender's clipboard needs a window")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        def paste() -> None:
            settings_of(context.scene).image = paste_image(context)
        return attempt(self, paste)


class MESHWRIGHT_OT_use_render_result(bpy.types.Operator):
    """Use the image that was rendered last"""

    bl_idname = "meshwright.use_render_result"
    bl_label = "Use Render Result"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: use_render_result(context))


class MESHWRIGHT_OT_capture_view(bpy.types.Operator):
    """Render the selected objects alone, on transparent ground, as the camera sees them, and use that image"""

    bl_idname = "meshwright.capture_view"
    bl_label = "Camera View of Selected"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.selected_objects:
            cls.poll_message_set("Select the objects that should be in the image")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        def capture() -> None:
            settings_of(context.scene).image = view_of_objects(context, context.selected_objects)
        return attempt(self, capture)


class MESHWRIGHT_FH_image(bpy.types.FileHandler):
    bl_idname = "MESHWRIGHT_FH_image"
    bl_label = "Use in Meshwright"
    bl_import_operator = MESHWRIGHT_OT_drop_image.bl_idname
    bl_file_extensions = ";".join(EXTENSIONS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (MESHWRIGHT_OT_drop_image, MESHWRIGHT_OT_paste_image, MESHWRIGHT_OT_use_render_result,
           MESHWRIGHT_OT_capture_view, MESHWRIGHT_FH_image)
