# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sees of a texture: the views while they are painted, the new look, a refined part."""

import importlib
import time
from collections.abc import Generator, Mapping
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
PHOTOS = 3
"""Of the views, the last of which is kept."""


def drive(window: Any, task: Mapping[str, Any]) -> Generator[float, None, None]:
    """`task` names the prompt, options, and how many seconds a job may take."""
    window.empty_scene()
    window.viewport.spaces.active.shading.type = "SOLID"
    window.viewport.spaces.active.shading.color_type = "TEXTURE"
    with window.pointed():
        bpy.ops.mesh.primitive_monkey_add()
        bpy.context.object.name = "monkey"
        bpy.ops.view3d.view_selected()
        bpy.ops.ed.undo_push(message="A monkey")
    settings = bpy.context.scene.meshwright
    settings.flexisyncmvd_texture.prompt, settings.seed = task["prompt"], 3
    for name, value in task["options"].items():
        setattr(settings.flexisyncmvd_texture, name, value)
    yield from window.open_tab("Meshwright")
    window.say("asked", list(bpy.ops.meshwright.flexisyncmvd_texture()))
    yield from _watch(window, task["seconds"], "1-views")
    yield 2.0
    window.photograph("2-look")
    window.say("looks", [look.name for look in bpy.data.objects["monkey"].meshwright_material_variants])
    settings.flexisyncmvd_texture.prompt = task["second prompt"]
    with window.pointed():
        window.say("refined", list(bpy.ops.meshwright.refine_from_view()))
    yield from _watch(window, task["seconds"], "3-refining")
    yield 2.0
    window.photograph("4-refined")
    with window.pointed():
        bpy.ops.ed.undo()
    with window.pointed():
        window.say("views", list(bpy.ops.meshwright.show_views()))
    yield 2.0
    window.photograph("5-views-large")
    window.say("editors", [area.spaces.active.image.name for opened in bpy.context.window_manager.windows
                           for area in opened.screen.areas if area.ui_type == "IMAGE_EDITOR"])
    window.say("looks undone", [look.name for look in bpy.data.objects["monkey"].meshwright_material_variants])


def _watch(window: Any, seconds: float, photo: str) -> Generator[float, None, None]:
    """Only look: Blender's own timer moves the queue on and shows the views."""
    images = importlib.import_module(f"{EXTENSION}.job_images")
    job, end = importlib.import_module(f"{EXTENSION}.jobs").jobs()[-1], time.monotonic() + seconds
    icons, photographed = 0, [0]
    while not job.ended and time.monotonic() < end:
        yield 0.1
        if images.icon_of(job):
            icons += 1
            if len(photographed) <= PHOTOS and job.preview_count > photographed[-1]:
                photographed.append(job.preview_count)
                yield from window.photograph_held(photo)
    window.say(f"{photo} icons", icons)
    window.say(f"{photo} state", str(job.state))
    window.say(f"{photo} failure", f"{job.error}\n{job.error.details}" if job.error else "")
