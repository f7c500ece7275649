# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the 3D viewports to a result, without touching the selection."""

from collections.abc import Iterable, Iterator

import bpy
import numpy as np
from mathutils import Vector

MARGIN = 1.3
"""Room around what is framed, relative to its radius."""
SENSOR = 72.0
"""Width in millimeters of what a viewport's lens sees: twice a camera's, as Blender's viewports have it."""


def frame(objects: Iterable[bpy.types.Object], scene: bpy.types.Scene) -> None:
    """Show these objects, with all that is parented to them, in the middle of every 3D viewport of the scene."""
    items = {item for root in objects for item in (root, *root.children_recursive) if item.visible_get()}
    corners = [item.matrix_world @ Vector(corner) for item in items
               for corner in (item.bound_box if item.type != "EMPTY" else [(0.0, 0.0, 0.0)])]
    if not corners:
        return
    points = np.array(corners)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(np.ptp(points, axis=0))) / 2, 1e-3)
    for space, region in _viewports(scene):
        view = space.region_3d
        if view.view_perspective == "CAMERA":
            view.view_perspective = "PERSP"
        narrow = max(region.width, region.height) / max(min(region.width, region.height), 1)
        view.view_location = Vector(middle)
        view.view_distance = MARGIN * radius * narrow * 2 * space.lens / SENSOR


def _viewports(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.SpaceView3D, bpy.types.Region]]:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas if window.scene == scene else ():
            if area.type == "VIEW_3D":
                yield area.spaces.active, next(region for region in area.regions if region.type == "WINDOW")
                area.tag_redraw()
