# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the engine or the queue as a whole: drawn only while something is."""

import bpy

from .. import jobs
from ..backend.contract import ErrorReport, Remedy
from .main_panel import SidebarPanel
from .words import region_width, wrapped


class MESHWRIGHT_PT_engine(SidebarPanel, bpy.types.Panel):
    bl_label = "Engine"
    bl_order = 0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return jobs.paused() is not None or _silent()

    def draw(self, context: bpy.types.Context) -> None:
        width = region_width(context)
        if reason := jobs.paused():
            _draw_pause(self.layout.box(), reason, width)
        if _silent():
            _draw_silence(self.layout.box(), width)


def _silent() -> bool:
    return any(job.silent for job in jobs.jobs())


def _draw_pause(box: bpy.types.UILayout, reason: ErrorReport, width: float) -> None:
    """Why the waiting jobs are not started, and the way on."""
    wrapped(box, f"Queue paused. {reason.what}", width, "PAUSE")
    wrapped(box, f"{reason.why} {reason.advice}", width)
    row = box.row(align=True)
    row.operator("meshwright.resume_queue", icon="PLAY")
    if reason.remedy is Remedy.OPEN_PREFERENCES:
        row.operator("meshwright.open_preferences", text="", icon="PREFERENCES")


def _draw_silence(box: bpy.types.UILayout, width: float) -> None:
    column = box.column()
    column.alert = True
    wrapped(column, "The engine is not responding. Wait, or restart it: its job then runs again.", width, "ERROR")
    box.operator("meshwright.restart_engine", icon="FILE_REFRESH")


CLASSES = (MESHWRIGHT_PT_engine,)
