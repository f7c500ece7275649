# SPDX-License-Identifier: GPL-3.0-or-later
"""The Explode slider: a custom property of the empty that drives the parts' delta location.

The rest position (location) never changes. The drivers are Blender's "simple expressions" - a variable times a number -
which Blender evaluates itself: they work without the add-on, in a file opened with automatic scripts off.
"""

import bpy
import numpy as np

PROPERTY = "explode"
LIMIT = 2.0


def directions(centers: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Where each part goes at a slider of 1: away from the middle sideways, upward from the lowest part.

    centers float64 [P, 3] and middle [3] in the empty's frame, meters; returns [P, 3]. Nothing sinks into the ground.
    """
    away = centers - middle
    away[:, 2] = centers[:, 2] - centers[:, 2].min()
    return away


def add_slider(root: bpy.types.Object) -> None:
    """Give the empty the slider."""
    root[PROPERTY] = 0.0
    root.id_properties_ui(PROPERTY).update(
        min=0.0, max=LIMIT, soft_min=0.0, soft_max=LIMIT, step=0.05, precision=2, default=0.0,
        description="Move the parts apart. 0 is the assembled object",
    )


def follow(root: bpy.types.Object, part: bpy.types.Object, way: np.ndarray) -> None:
    """Have the part move with the empty's slider; `way` [3] is how far at a slider of 1."""
    for axis in range(3):
        if abs(way[axis]) > 1e-6:
            _drive(part, axis, root, float(way[axis]))


def follow_slider(new: bpy.types.Object, part: bpy.types.Object) -> None:
    """Have `new`, which takes the place of a part, move with the slider as that does."""
    new.delta_location = part.delta_location
    for curve in part.animation_data.drivers if part.animation_data else ():
        if curve.data_path == "delta_location":
            new.animation_data_create().drivers.from_existing(src_driver=curve)


def _drive(part: bpy.types.Object, axis: int, root: bpy.types.Object, factor: float) -> None:
    driver = part.driver_add("delta_location", axis).driver
    driver.type = "SCRIPTED"
    variable = driver.variables.new()
    variable.name = PROPERTY
    variable.type = "SINGLE_PROP"
    variable.targets[0].id = root
    variable.targets[0].data_path = f'["{PROPERTY}"]'
    driver.expression = f"{PROPERTY} * {factor:.6f}"
