# SPDX-License-Identifier: GPL-3.0-or-later
"""The clipboard's image as a new image datablock."""

import bpy

from ..backend.contract import BadInput


def paste_image(context: bpy.types.Context) -> bpy.types.Image:
    """A new image datablock with the clipboard's image, packed.

    Blender pastes only inside an image editor, so the area under the mouse becomes one for a moment. Raises BadInput
    when the clipboard holds no image or there is no window.
    """
    area = context.area
    if area is None:
        raise BadInput("There is no window to paste in.", "Blender runs without one.", "Load the image from a file.")
    before, kind = set(bpy.data.images), area.ui_type
    try:
        area.ui_type = "IMAGE_EDITOR"
        with context.temp_override(area=area):
            bpy.ops.image.clipboard_paste()
    except RuntimeError as error:
        raise BadInput("There is no image in the clipboard.", "Blender finds none that it can read.",
                       "Copy an image first.") from error
    finally:
        area.ui_type = kind
    image = next(iter(set(bpy.data.images) - before), None)
    if image is None:
        raise BadInput("There is no image in the clipboard.", "Nothing was pasted.", "Copy an image first.")
    image.pack()
    return image
