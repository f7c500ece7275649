# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences as they are drawn."""

import os

import bpy

from ..preferences import IN_PROCESS_VARIABLE, PYTHON_VARIABLE
from ..setup.operators import runtime_state
from ..setup.panel import draw_runtime


def draw_preferences(layout: bpy.types.UILayout, preferences: bpy.types.AddonPreferences) -> None:
    """The runtime with its installer, then folders and devices."""
    draw_runtime(layout.box(), runtime_state())
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(preferences, "runtime_folder")
    column.prop(preferences, "backend_python")
    if os.environ.get(PYTHON_VARIABLE):
        column.label(text=f"The environment variable {PYTHON_VARIABLE} decides at the moment", icon="INFO")
    column.prop(preferences, "models_folder")
    column.prop(preferences, "jobs_folder")
    column.separator()
    for name in ("device", "second_device", "low_memory", "compile_networks", "run_in"):
        column.prop(preferences, name)
    if os.environ.get(IN_PROCESS_VARIABLE) == "1":
        column.label(text=f"The environment variable {IN_PROCESS_VARIABLE} decides at the moment", icon="INFO")
