# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist does in the window: open the tab, press Try an Example and Generate Parts, wait, look."""

import importlib
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

FOLDER = Path(__file__).parent
EXTENSION = "bl_ext.user_default.meshwright"


def drive(window: Any, task: Mapping[str, Any]) -> Generator[float, None, None]:
    """`task` says how many seconds the job may take."""
    window.say("enabled", EXTENSION in bpy.context.preferences.addons)
    window.empty_scene()
    yield from window.open_tab("Meshwright")
    example = yield from window.find_button("meshwright.try_example")
    window.say("example", example)
    if example is None:
        window.photograph("1-no-example")
        return
    window.click(*example)
    yield 1.5
    window.photograph("1-image-chosen")
    button = yield from window.find_button("meshwright.partpacker_generate_parts")
    window.say("button", button)
    if button is None:
        return
    window.click(*button)
    yield 1.0
    yield from _wait_for_the_job(window, task["seconds"])
    window.viewport.spaces.active.shading.color_type = "MATERIAL"
    with window.pointed():
        bpy.ops.view3d.view_all()
    yield 2.0
    window.photograph("3-parts")
    _capture_viewport(window)
    window.say("objects", {item.name: item.type for item in bpy.data.objects})


def _capture_viewport(window: Any) -> None:
    """What the viewport shows, as an input."""
    with window.pointed():
        window.say("captured", list(bpy.ops.meshwright.capture_viewport()))
    image = bpy.context.scene.meshwright.images.image
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(image.size[1], image.size[0], 4)
    shown = values[..., 3] > 0.5
    window.say("capture", {"size": list(image.size), "shown": float(shown.mean()),
                           "colors": float(np.ptp(values[shown][:, :3], axis=1).mean())})
    image.filepath_raw, image.file_format = str(FOLDER / "4-captured.png"), "PNG"
    image.save()


def _wait_for_the_job(window: Any, seconds: float) -> Generator[float, None, None]:
    """Only look: Blender's own timer moves the queue on."""
    queue = importlib.import_module(f"{EXTENSION}.jobs").jobs()
    window.say("jobs", len(queue))
    photographed, end = False, time.monotonic() + seconds
    while queue and not queue[-1].ended and time.monotonic() < end:
        yield 0.5
        if not photographed and queue[-1].fraction > 0:
            photographed = True
            window.photograph("2-at-work")
    if queue:
        window.say("state", str(queue[-1].state))
        window.say("failure", f"{queue[-1].error}\n{queue[-1].error.details}" if queue[-1].error else "")
