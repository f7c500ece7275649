# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's views large, in an Image Editor. The image is the file in the job's folder and is not saved with the blend
file; while the job runs it is read again whenever the views change.
"""

from pathlib import Path

import bpy

from .backend.contract import BadInput, JobFolder, Preview
from .names import fitted

MARK = "meshwright_views"
"""Custom property of the image: the path of the file that it shows."""
KINDS = (".png", ".jpg", ".webp")


def views_of(folder: JobFolder) -> Path | None:
    """The last image that the job in this folder showed of its work; None where there is none."""
    shown = [folder.outputs / Path(event.file).name for event in folder.events() if isinstance(event, Preview)]
    return next((path for path in reversed(shown) if path.suffix in KINDS and path.is_file()), None)


def show_views(context: bpy.types.Context, path: Path, subject: str) -> bpy.types.Image:
    """Show the image in an Image Editor that is open, or else in a new window.

    Raises BadInput for what is no image, and where Blender runs without a window.
    """
    if context.window is None:
        raise BadInput("There is no window to show the views in.", "Blender runs without one.", f"Open {path}.")
    image = _image(path, subject)
    show_image(context, image)
    return image


def show_image(context: bpy.types.Context, image: bpy.types.Image) -> bpy.types.SpaceImageEditor:
    """Show any image in an Image Editor that is open, or else in a new window; that editor."""
    editor = _open_editor(context) or _new_editor(context)
    editor.image = image
    return editor


def refresh(path: Path) -> None:
    """Read the file again if it is shown large."""
    for image in bpy.data.images:
        if image.get(MARK) == str(path):
            image.reload()


def _image(path: Path, subject: str) -> bpy.types.Image:
    known = next((image for image in bpy.data.images if image.get(MARK) == str(path)), None)
    if known is not None:
        known.reload()
        return known
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise BadInput("The views cannot be read.", str(error).strip(), "Start the job again.") from error
    image.name, image[MARK], image.is_runtime_data = fitted(subject, " views"), str(path), True
    return image


def _open_editor(context: bpy.types.Context) -> bpy.types.SpaceImageEditor | None:
    spaces = (area.spaces.active for window in context.window_manager.windows for area in window.screen.areas
              if area.ui_type == "IMAGE_EDITOR")
    return next(spaces, None)


def _new_editor(context: bpy.types.Context) -> bpy.types.SpaceImageEditor:
    bpy.ops.wm.window_new()
    area = max(context.window_manager.windows[-1].screen.areas, key=lambda area: area.width * area.height)
    area.ui_type = "IMAGE_EDITOR"
    return area.spaces.active
