# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a new result: next to the objects that are in its way, so that several results stand in a row.

Only along the world's X axis, to the right: the result keeps its height and its line.
"""

from collections.abc import Iterator
from dataclasses import replace

import bpy
import numpy as np

from ..delivery_note import DeliveryNote
from .placement import Placement, placement

MARK = "meshwright_preview"
"""Custom property of every preview: the job's name."""
SOLID = ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME")
"""Types of objects that can be in the way."""
SURROUNDINGS = 10.0
"""An object that many times as large as the result is a room, a floor or a landscape: results stand in it."""
GAP = 0.1
"""Between neighbors, relative to the result's largest dimension."""
_TOUCHING = 1e-4


def free_placement(note: DeliveryNote, low: np.ndarray, high: np.ndarray, scene: bpy.types.Scene,
                   view_layer: bpy.types.ViewLayer) -> Placement:
    """Where a new result with the bounds `low`, `high` (float64 [3], its own frame) goes: as the note says, moved to
    where it meets no visible object if the note asks for that."""
    place = placement(note, low, high)
    if note.fit or not note.clear:
        return place
    view_layer.update()  # a move that was cancelled just now is still in the objects' matrices
    own_low, own_high = place.location + place.local(low), place.location + place.local(high)
    size = float((own_high - own_low).max())
    bounds = [found for found in _bounds_of_solids(scene, view_layer)
              if (found[1] - found[0]).max() < SURROUNDINGS * size]
    shift = free_shift(own_low, own_high, bounds, GAP * size)
    return replace(place, location=place.location + np.array([shift, 0.0, 0.0])) if shift else place


def free_shift(low: np.ndarray, high: np.ndarray, obstacles: list[tuple[np.ndarray, np.ndarray]], gap: float) -> float:
    """The smallest shift along X, not to the left, at which the box `low`, `high` overlaps none of the obstacles'
    boxes; a shifted box keeps `gap` from the one that it evades. 0 where nothing is in the way."""
    slack = _TOUCHING * float((high - low).max())
    level = [(there_low[0], there_high[0]) for there_low, there_high in obstacles
             if (there_low[1:] < high[1:] - slack).all() and (there_high[1:] > low[1:] + slack).all()]
    width, shift = high[0] - low[0], 0.0
    for left, right in sorted(level):
        begin = low[0] + shift
        if left < begin + width - slack and right > begin + slack:
            shift = right + gap - low[0]
    return float(shift)


def _bounds_of_solids(scene: bpy.types.Scene,
                      view_layer: bpy.types.ViewLayer) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """World bounds of what the view layer shows, without previews."""
    for item in scene.objects:
        if item.type in SOLID and MARK not in item and item.visible_get(view_layer=view_layer):
            matrix = np.array(item.matrix_world, np.float64)
            corners = np.array(item.bound_box, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
            if np.isfinite(corners).all():
                yield corners.min(axis=0), corners.max(axis=0)
