# SPDX-License-Identifier: GPL-3.0-or-later
"""Is everything in sight that the artist needs? Every task, at several interface scales and widths of the sidebar."""

import importlib
import time
from collections.abc import Generator, Mapping
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
REDRAWS = 20
NARROWER = 120
"""Pixels by which the sidebar is made narrower: a little more, and Blender hides it."""
Steps = Generator[float, None, None]


def drive(window: Any, task: Mapping[str, Any]) -> Steps:
    """`task` names the image and how many seconds a worker may take to start."""
    with window.pointed():
        bpy.ops.object.select_all(action="DESELECT")
        bpy.ops.mesh.primitive_monkey_add(location=(0, 3, 0))
    yield from window.open_tab("Meshwright")
    settings = bpy.context.scene.meshwright
    settings.images.image = bpy.data.images.load(task["image"])
    settings.partpacker_generate_parts.steps = 100
    window.viewport.tag_redraw()
    yield 1.0
    window.photograph("seat-idle")
    window.say("asked", [list(bpy.ops.meshwright.partpacker_generate_parts()) for _ in range(3)])
    yield from _wait_until_it_runs(window, task["seconds"])
    # The worker goes on, but the queue looks no more: so the job is at work for as long as it takes to look around.
    engine = importlib.import_module(f"{EXTENSION}.jobs.engine")
    engine.poll_once = lambda: 0.2
    yield 1.0
    window.photograph("seat-status-bar")
    yield from _measure_draws(window)
    for name, scale, narrow in (("default", 1.0, False), ("large", 1.5, False), ("narrow", 1.0, True)):
        bpy.context.preferences.view.ui_scale = scale
        yield 1.5
        if narrow:
            yield from _make_narrow(window)
        window.say(f"{name} width", window.sidebar.width)
        yield from _look_for_buttons(window, name, scale, settings)


def _wait_until_it_runs(window: Any, seconds: float) -> Steps:
    job, end = importlib.import_module(f"{EXTENSION}.jobs").jobs()[0], time.monotonic() + seconds
    while not job.fraction and not job.ended and time.monotonic() < end:
        yield 0.2
    window.say("state", str(job.state))


def _make_narrow(window: Any) -> Steps:
    height = bpy.context.window_manager.windows[0].height
    width = window.sidebar.width
    for offset in (6, 8, 4, 0):  # where exactly the edge can be taken depends on the version
        edge, middle = window.sidebar.x + offset, height - window.sidebar.y - window.sidebar.height // 2
        yield from window.drag((edge, middle), (edge + NARROWER, middle))
        window.viewport.tag_redraw()
        yield 1.0
        if window.sidebar.width < width:
            return


def _look_for_buttons(window: Any, name: str, scale: float, settings: Any) -> Steps:
    """Where the button of each task is, as its lower edge's distance from the sidebar's bottom, in pixels."""
    offered = importlib.import_module(f"{EXTENSION}.offered_tasks").offered()
    height = bpy.context.window_manager.windows[0].height
    bottom, top = height - window.sidebar.y, height - window.sidebar.y - window.sidebar.height
    right = 1 - 46 * scale / window.sidebar.width
    seen: dict[str, int | None] = {}
    start = 0
    for item in offered:
        settings.task = item.key
        window.viewport.tag_redraw()
        yield 0.6
        operator = f"meshwright.{item.key}"
        found = yield from window.find_button(operator, 0.4, max(start, 0))
        if found is None and start > 0:
            found = yield from window.find_button(operator, 0.4)
        seen[item.key] = None if found is None else bottom - found[1]
        start = found[1] - top - 150 if found else 0
        if found is None or item.task.name in ("generate_parts", "texture"):
            window.photograph(f"seat-{name}-{item.key}")
    window.say(f"{name} buttons", seen)
    cancel = yield from window.find_button("meshwright.cancel_job", right)
    window.say(f"{name} cancel", cancel)


def _measure_draws(window: Any) -> Steps:
    """Milliseconds of one redraw, summed over all panels and the status bar, and of the buttons' polls."""
    spent: list[float] = []
    panels = [cls for cls in importlib.import_module(f"{EXTENSION}.panels").CLASSES if issubclass(cls, bpy.types.Panel)]
    originals = [(cls, cls.draw) for cls in panels]

    def timed(draw: Any) -> Any:
        def measured(self: Any, context: Any) -> None:
            begin = time.perf_counter()
            draw(self, context)
            spent.append(time.perf_counter() - begin)
        return measured

    offered = importlib.import_module(f"{EXTENSION}.offered_tasks").offered()
    costs: dict[str, float] = {}
    for cls, draw in originals:
        cls.draw = timed(draw)
    for item in offered:
        bpy.context.scene.meshwright.task = item.key
        sums = []
        for _ in range(REDRAWS):
            spent.clear()
            window.sidebar.tag_redraw()
            yield 0.02
            if spent:
                sums.append(sum(spent) * 1e3)
        costs[item.key] = sorted(sums)[len(sums) // 2] if sums else -1.0
    for cls, draw in originals:
        cls.draw = draw
    window.say("draw ms", costs)
