# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine gives its GPU memory back by itself: after some idle minutes, and before Cycles renders on the GPU."""

import time
from collections.abc import Sequence

import bpy

from . import jobs
from .jobs import Job
from .preferences import own

_idle_since: float | None = None
_released = False


def follow(listed: Sequence[Job]) -> None:
    """Have models unloaded once nothing has run for as long as the preferences say. Called after each step of the
    queue; those go on while the engine lives."""
    global _idle_since, _released
    if any(not job.ended for job in listed):
        _idle_since, _released = None, False
        return
    now = time.monotonic()
    if _idle_since is None:
        _idle_since = now
    minutes = own().idle_minutes
    if minutes and not _released and now - _idle_since > 60 * minutes:
        _released = True
        jobs.free_memory()


def register() -> None:
    """Follow Blender's renders."""
    bpy.app.handlers.render_init.append(_before_render)


def unregister() -> None:
    """Follow them no longer."""
    bpy.app.handlers.render_init.remove(_before_render)


@bpy.app.handlers.persistent
def _before_render(scene: bpy.types.Scene, *_: object) -> None:
    if own().free_for_cycles and renders_on_gpu(scene):
        jobs.free_memory()


def renders_on_gpu(scene: bpy.types.Scene) -> bool:
    """Whether Cycles renders this scene, and on the GPU."""
    settings = getattr(scene, "cycles", None)
    return scene.render.engine == "CYCLES" and settings is not None and settings.device == "GPU"
