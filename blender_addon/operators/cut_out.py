# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask of a photograph: made from its background's colors, then corrected with a threshold or a brush."""

import bpy
import numpy as np

from ..backend.contract import BadInput
from ..capture.cut_out import is_opaque, object_mask
from ..capture.image import display_pixels, pixels_of
from ..capture.thumbnail import shrunk
from ..image_window import show_image
from ..names import fitted
from ..properties import image_at, set_image
from .attempt import attempt, has_window

SIDE = 512
"""Pixels of a mask's longer side: the engine scales it to the image."""


class CutOutOperator(bpy.types.Operator):
    """An operator on an image slot and the slot of its mask, which are named by their paths."""

    image: bpy.props.StringProperty(options={"HIDDEN"})
    mask: bpy.props.StringProperty(options={"HIDDEN"})


class MESHWRIGHT_OT_cut_out(CutOutOperator):
    """Show what will be taken for the object: all that differs from the colors along the border of the image"""

    bl_idname = "meshwright.cut_out"
    bl_label = "Cut Out"
    bl_options = {"REGISTER", "UNDO"}

    threshold: bpy.props.FloatProperty(
        name="Threshold", default=0.12, min=0.01, max=1.0, subtype="FACTOR",
        description="How different from the background a color must be to belong to the object")

    def execute(self, context: bpy.types.Context) -> set[str]:
        def cut() -> None:
            source = image_at(context.scene, self.image)
            if source is None:
                raise BadInput("There is no image to cut out.", "None is chosen.", "Choose an image first.")
            set_image(context.scene, self.mask, cut_out(source, self.threshold))
        return attempt(self, cut)


class MESHWRIGHT_OT_paint_mask(CutOutOperator):
    """Correct this mask with a brush, in an Image Editor: white where the object is"""

    bl_idname = "meshwright.paint_mask"
    bl_label = "Paint Mask"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_window(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def paint() -> None:
            mask = image_at(context.scene, self.mask)
            if mask is None:
                raise BadInput("There is no mask to paint.", "None is chosen.", "Press Cut Out first.")
            show_image(context, mask).ui_mode = "PAINT"
        return attempt(self, paint)


def cut_out(source: bpy.types.Image, threshold: float) -> bpy.types.Image:
    """A new, packed image with the mask of the object. Raises BadInput for an image without pixels, one that is cut out
    already, and where all is background."""
    pixels = pixels_of(source)
    if source.is_float:
        pixels = display_pixels(pixels)
    if not is_opaque(pixels):
        raise BadInput(f"{source.name} is cut out already.", "Its background is transparent.",
                       "Use it as it is, or choose a mask of your own.")
    mask = object_mask(shrunk(pixels, SIDE), threshold)
    if mask.max() < 0.5:
        raise BadInput("Nothing differs from the background.", "All colors are like those along the border.",
                       "Choose a smaller threshold, or paint the mask yourself.")
    height, width = mask.shape
    image = bpy.data.images.new(fitted(source.name.rpartition(".")[0] or source.name, " mask"), width, height)
    values = np.ones((height, width, 4), np.float32)
    values[..., :3] = mask[..., None]
    image.pixels.foreach_set(values.ravel())
    image.update()
    image.pack()
    return image


CLASSES = (MESHWRIGHT_OT_cut_out, MESHWRIGHT_OT_paint_mask)
