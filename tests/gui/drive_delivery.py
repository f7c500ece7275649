# SPDX-License-Identifier: GPL-3.0-or-later
"""A result arrives while the artist moves an object: it waits, and the move is still hers to cancel."""

import importlib
import time
from collections.abc import Generator, Mapping
from typing import Any

import bpy
from mathutils import Vector

EXTENSION = "bl_ext.user_default.meshwright"
Steps = Generator[float, None, None]


def drive(window: Any, task: Mapping[str, Any]) -> Steps:
    """`task` names the image and how many seconds a job may take."""
    jobs = importlib.import_module(f"{EXTENSION}.jobs")
    cube = bpy.data.objects["Cube"]
    before = tuple(cube.location)
    yield from window.open_tab("Meshwright")
    bpy.context.scene.meshwright.images.image = bpy.data.images.load(task["image"])
    window.say("asked", list(bpy.ops.meshwright.partpacker_generate_parts()))
    job, end = jobs.jobs()[-1], time.monotonic() + task["seconds"]
    while not job.fraction and time.monotonic() < end:
        yield 0.1
    yield from _begin_to_move(window)
    while not job.stage.startswith("Waiting for") and not job.ended and time.monotonic() < end:
        yield 0.2
    window.say("stage", job.stage)
    window.say("moved meanwhile", tuple(cube.location) != before)
    window.photograph("delivery-waits")
    window.key("Escape")
    while not job.ended and time.monotonic() < end:
        yield 0.2
    yield 1.0
    window.say("delivered", job.delivered)
    window.say("moved after escape", tuple(cube.location) != before)
    window.say("selected", [item.name for item in bpy.context.selected_objects])
    window.say("active", bpy.context.view_layer.objects.active.name)
    parts = [part for part in bpy.data.objects if part.name.startswith("chair.part")]
    window.say("begins at", min((part.matrix_world @ Vector(corner)).x for part in parts for corner in part.bound_box))
    window.photograph("delivery-done")
    with window.pointed():
        bpy.ops.ed.undo()
    yield 0.5
    window.say("after undo", {item.name: tuple(item.location) for item in bpy.data.objects if item.type == "MESH"})
    window.say("before", before)


def _begin_to_move(window: Any) -> Steps:
    """G over the viewport, and the mouse on its way."""
    height = bpy.context.window_manager.windows[0].height
    area = window.viewport
    x, y = area.x + area.width // 3, height - area.y - area.height // 2
    window.point(x, y)
    yield 0.3
    window.key("g")
    yield 0.5
    window.point(x + 120, y + 40)
    yield 0.5
