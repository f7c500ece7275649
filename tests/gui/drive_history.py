# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist opens the history of a thousand jobs, compares two of them, and looks at the models."""

import importlib
import time
from collections.abc import Generator, Mapping
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
Steps = Generator[float, None, None]


class MESHWRIGHT_PT_looked_at(bpy.types.Panel):
    """The first cards of the models, which the preferences fold away."""

    bl_label, bl_space_type, bl_region_type, bl_category = "Models", "VIEW_3D", "UI", "Looked At"
    bl_ui_units_x = 30

    def draw(self, context: bpy.types.Context) -> None:
        box = importlib.import_module(f"{EXTENSION}.panels.models_box")
        for card in importlib.import_module(f"{EXTENSION}.model_cards").cards()[:4]:
            box._draw_card(self.layout.box(), card)


def drive(window: Any, task: Mapping[str, Any]) -> Steps:
    """`task` names the folder of the jobs, and two of these."""
    window.empty_scene()
    preferences = bpy.context.preferences.addons[EXTENSION].preferences
    preferences.jobs_folder, preferences.jobs_gigabytes = task["jobs"], 0.0
    state = importlib.import_module(f"{EXTENSION}.gallery.state")
    seconds: list[float] = []
    walk = importlib.import_module(f"{EXTENSION}.gallery.walk").Walk
    real = walk.step

    def timed(self: Any, *given: float) -> bool:
        begin = time.thread_time()
        done: bool = real(self, *given)
        seconds.append(time.thread_time() - begin)
        return done

    walk.step = timed
    bpy.ops.meshwright.refresh_history()
    end = time.monotonic() + task["seconds"]
    while len(state.matching()) < task["count"] and time.monotonic() < end:
        yield 0.2
    window.say("read", len(state.matching()))
    window.say("step seconds", seconds)
    for name in task["compared"]:
        bpy.ops.meshwright.pick_for_comparison(folder=name)
    yield from _photographed_panel(window, "MESHWRIGHT_PT_history", "history")
    icons = importlib.import_module(f"{EXTENSION}.gallery.thumbnails")._icons
    window.say("images", [list(icon.icon_size) for icon in icons.values()])
    bpy.utils.register_class(MESHWRIGHT_PT_looked_at)
    yield from _photographed_panel(window, "MESHWRIGHT_PT_looked_at", "models")


def _photographed_panel(window: Any, panel: str, name: str) -> Steps:
    area = window.viewport
    window.point(area.width // 3, 300)
    yield 0.5
    with window.pointed():
        bpy.ops.wm.call_panel(name=panel, keep_open=True)
    yield 4.0
    window.photograph(name)
    window.key("Escape")
    yield 0.5
