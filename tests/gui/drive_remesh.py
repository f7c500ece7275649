# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sees of a remesh: it grows in its original's place, takes that place, and one undo takes it back."""

import importlib
import time
from collections.abc import Generator, Mapping
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
PHOTOS = 3
"""Of the preview, the last of which is kept."""


def drive(window: Any, task: Mapping[str, Any]) -> Generator[float, None, None]:
    """`task` names how many seconds the job may take."""
    window.empty_scene()
    with window.pointed():
        bpy.ops.mesh.primitive_cylinder_add(vertices=96)
        dense = bpy.context.object
        dense.name, dense.scale = "drum", (-1.0, 1.5, 0.8)
        dense.modifiers.new("Dense", "SUBSURF").subdivision_type = "SIMPLE"
        dense.modifiers["Dense"].levels = 3
        bpy.ops.view3d.view_selected()
        bpy.ops.ed.undo_push(message="A drum")
    yield from window.open_tab("Meshwright")
    window.say("asked", list(bpy.ops.meshwright.silksong_remesh()))
    yield from _watch(window, task["seconds"])
    yield 2.0
    window.photograph("2-in-its-place")
    window.say("delivered", _visible())
    with window.pointed():
        bpy.ops.ed.undo()
    yield 1.0
    window.say("undone", _visible())


def _watch(window: Any, seconds: float) -> Generator[float, None, None]:
    """Only look: Blender's own timer moves the queue on and shows the preview."""
    job, end = importlib.import_module(f"{EXTENSION}.jobs").jobs()[-1], time.monotonic() + seconds
    sizes: list[int] = []
    while not job.ended and time.monotonic() < end:
        yield 0.1
        size = sum(len(item.data.polygons) for item in bpy.data.objects if item.name.endswith("(preview)"))
        if size and size not in sizes:
            sizes.append(size)
            if len(sizes) <= PHOTOS:
                yield from window.photograph_held("1-growing")
    window.say("sizes", sizes)
    window.say("faces", sum(len(item.data.polygons) for item in bpy.data.objects if item.name.endswith(" low")))
    window.say("state", str(job.state))
    window.say("failure", f"{job.error}\n{job.error.details}" if job.error else "")


def _visible() -> dict[str, bool]:
    return {item.name: not item.hide_get() for item in bpy.data.objects}
