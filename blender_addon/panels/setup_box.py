# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-time setup at the top of the tab: what it takes, its progress, and what went wrong with it."""

import bpy

from ..backend.contract import ErrorReport
from ..preferences import runs_in_process, runs_on_server
from ..setup.accelerator import current_platform
from ..setup.estimate import estimate_words
from ..setup.operators import online_complaint, runtime_state
from ..setup.runtime import Condition
from .words import region_width, wrapped

DEMO_WORDS = "The demo models need no GPU; the published ones do."


def draw_setup(layout: bpy.types.UILayout, context: bpy.types.Context, complaint: str) -> None:
    """What is missing before anything can run, with the buttons in the order in which they can be pressed."""
    box, width = layout.box(), region_width(context)
    if runs_in_process() or runs_on_server():
        wrapped(box, complaint, width, "ERROR")
        box.operator("meshwright.open_preferences", icon="PREFERENCES")
        return
    state = runtime_state()
    estimate = estimate_words(state.accelerator, current_platform())
    wrapped(box, f"One-time setup: install the AI engine{f' ({estimate})' if estimate else ''}.", width, "INFO")
    wrapped(box, DEMO_WORDS, width)
    if state.installation is not None:
        box.progress(factor=state.installation.fraction, text=state.installation.words)
        box.operator("meshwright.cancel_runtime", icon="X")
        return
    if state.error is not None:
        _draw_failure(box, state.error, width)
    _draw_buttons(box, width, state.condition, failed=state.error is not None)


def _draw_buttons(box: bpy.types.UILayout, width: float, condition: Condition, failed: bool) -> None:
    column = box.column()
    column.scale_y = 1.4
    if not bpy.app.online_access and not bpy.app.online_access_override:
        column.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
    if failed or condition is not Condition.MISSING:
        column.operator("meshwright.repair_runtime", text="Retry" if failed else "Continue Installation",
                        icon="FILE_REFRESH")
    else:
        column.operator("meshwright.install_runtime", icon="IMPORT")
    wrapped(box, online_complaint(bpy.app.online_access, bpy.app.online_access_override), width)
    box.operator("meshwright.open_preferences", text="Advanced Setup…", icon="PREFERENCES")


def _draw_failure(box: bpy.types.UILayout, error: ErrorReport, width: float) -> None:
    """The failure in one sentence; all of it is in the report."""
    column = box.column()
    column.alert = True
    wrapped(column, error.what, width, "ERROR")
    wrapped(box, error.advice, width)
    box.operator("meshwright.copy_diagnostics", text="Copy Report", icon="COPYDOWN")
