# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport shows of the scene, on a transparent background: nothing is rendered, nothing changes."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import gpu
import numpy as np

from ..backend.contract import BadInput

LONG_SIDE = 1024


def viewport_image(context: bpy.types.Context) -> bpy.types.Image:
    """A new, packed image datablock of the viewport as it is shaded, without overlays; its longer side has 1024 pixels.

    Raises BadInput where there is no viewport, and where nothing is in its view.
    """
    space, view = context.space_data, context.region_data
    if not isinstance(space, bpy.types.SpaceView3D) or view is None:
        raise BadInput("There is no viewport to take.", "Only a 3D viewport shows the scene.",
                       "Press the button in the sidebar of a 3D viewport.")
    region = next(region for region in context.area.regions if region.type == "WINDOW")
    scale = LONG_SIDE / max(region.width, region.height)
    width, height = max(1, round(region.width * scale)), max(1, round(region.height * scale))
    offscreen = gpu.types.GPUOffScreen(width, height)
    try:
        with _bare(space), offscreen.bind():
            offscreen.draw_view3d(context.scene, context.view_layer, space, region, view.view_matrix,
                                  view.window_matrix, do_color_management=True, draw_background=False)
            pixels = np.array(offscreen.texture_color.read().to_list(), np.float32).reshape(height, width, 4) / 255.0
    finally:
        offscreen.free()
    if not pixels[..., 3].any():
        raise BadInput("The viewport shows nothing.", "No object is in its view.", "Frame the object (Home) first.")
    image = bpy.data.images.new("viewport", width, height, alpha=True)
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()
    return image


@contextmanager
def _bare(space: bpy.types.SpaceView3D) -> Iterator[None]:
    """Without grid, outlines and gizmos."""
    kept = space.overlay.show_overlays, space.show_gizmo
    space.overlay.show_overlays = space.show_gizmo = False
    try:
        yield
    finally:
        space.overlay.show_overlays, space.show_gizmo = kept
