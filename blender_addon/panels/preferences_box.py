# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, as Blender keeps them with its own and draws them."""

import os
from collections.abc import Iterator

import bpy

from ..preferences import ADDON, IN_PROCESS_VARIABLE, PYTHON_VARIABLE
from ..setup.operators import runtime_state
from ..setup.panel import draw_runtime

_DEVICES = ("auto", "cuda:0", "cuda:1", "mps", "cpu")


def _device_names(_self: object, _context: bpy.types.Context, _text: str) -> Iterator[str]:
    return iter(_DEVICES)


class MESHWRIGHT_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADDON

    backend_python: bpy.props.StringProperty(
        name="Backend Python", subtype="FILE_PATH",
        description="A Python 3.11 or newer in which Meshwright's runtime is installed. "
                    "The runtime's installer fills this in",
    )
    runtime_folder: bpy.props.StringProperty(
        name="Runtime", subtype="DIR_PATH",
        description="Where the backend's Python and its packages are installed: several gigabytes. "
                    "Empty: the extension's own folder",
    )
    models_folder: bpy.props.StringProperty(
        name="Models", subtype="DIR_PATH",
        description="Where downloaded weights lie: tens of gigabytes. Empty: the extension's own folder",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs", subtype="DIR_PATH",
        description="Where requests and results are kept. Empty: the extension's own folder",
    )
    device: bpy.props.StringProperty(
        name="Device", default="auto", search=_device_names, search_options={"SUGGESTION"},
        description="auto, cuda:0, mps or cpu",
    )
    second_device: bpy.props.StringProperty(
        name="Second Device", search=_device_names, search_options={"SUGGESTION"},
        description="Another GPU for the decoder, for example cuda:1. Empty: use one device for everything",
    )
    low_memory: bpy.props.BoolProperty(
        name="Low Memory", description="Keep in GPU memory only what computes at the moment: slower, far less memory",
    )
    compile_networks: bpy.props.BoolProperty(
        name="Compile Networks",
        description="PartPacker's first job takes about 10 s longer, later ones with the published "
                    "weights are a few percent faster. NVIDIA GPUs only",
    )
    run_in: bpy.props.EnumProperty(
        name="Run In", description="Where the backend computes", items=[
            ("PROCESS", "Separate Process", "With the runtime's own Python, while Blender stays usable"),
            ("BLENDER", "Blender's Own Python (for scripts)",
             "Needs torch in Blender's Python. Blender stands still until a job has ended"),
        ])

    def draw(self, _context: bpy.types.Context) -> None:
        draw_preferences(self.layout, self)


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


CLASSES = (MESHWRIGHT_AP_preferences,)
