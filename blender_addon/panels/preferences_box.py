# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, as Blender keeps them with its own and draws them."""

import os
from collections.abc import Iterator

import bpy

from .. import task_classes
from ..backend.pipelines import registry
from ..preferences import ADDON, IN_PROCESS_VARIABLE, PYTHON_VARIABLE, pipelines_folder, runs_on_server
from ..server_access.panel import draw_server
from ..setup.operators import runtime_state
from ..setup.panel import draw_runtime
from ..translations import translated
from .models_box import draw_models
from .shortcuts_box import draw_shortcuts
from .words import wrapped

_DEVICES = ("auto", "cuda:0", "cuda:1", "mps", "cpu")
_WARNING_WIDTH = 600
PIPELINES_WARNING = ("A pipeline is a program that runs with your rights. Only use pipelines from people you "
                     "trust.")


def _device_names(_self: object, _context: bpy.types.Context, _text: str) -> Iterator[str]:
    return iter(_DEVICES)


def _use_pipelines(_self: object, _context: bpy.types.Context) -> None:
    task_classes.use_folder(pipelines_folder())


class MESHWRIGHT_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADDON

    backend_python: bpy.props.StringProperty(
        name="Engine Python", subtype="FILE_PATH",
        description="A Python 3.11 or newer with the packages of the AI engine. The installer sets this",
    )
    runtime_folder: bpy.props.StringProperty(
        name="Engine", subtype="DIR_PATH",
        description="Folder of the AI engine: several gigabytes. Empty: a folder that all versions of Blender share",
    )
    models_folder: bpy.props.StringProperty(
        name="Models", subtype="DIR_PATH",
        description="Folder of downloaded weights: tens of gigabytes. Empty: a folder that all versions "
                    "of Blender share",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs", subtype="DIR_PATH",
        description="Folder of jobs and their results. Empty: a folder that all versions of Blender share",
    )
    jobs_gigabytes: bpy.props.FloatProperty(
        name="Keep Jobs up to (GB)", default=10.0, min=0.0, soft_max=1000.0, precision=1,
        description="The oldest jobs beyond this are deleted, but never results that were not in a scene yet. "
                    "0: no limit",
    )
    jobs_days: bpy.props.IntProperty(
        name="Keep Jobs for (Days)", default=0, min=0, soft_max=365,
        description="Older jobs are deleted, but never results that were not in a scene yet. 0: no limit",
    )
    hub_address: bpy.props.StringProperty(
        name="Model Hub",
        description="Address of a mirror to download weights from, for example https://hub.example.org. "
                    "Empty: huggingface.co",
    )
    hub_token: bpy.props.StringProperty(
        name="Access Token", subtype="PASSWORD",
        description="Your token for weights whose authors ask you to accept their terms on the hub's page. It is sent "
                    "to the model hub only, and Blender saves it unencrypted with your preferences",
    )
    background_model: bpy.props.StringProperty(
        name="Background Model", subtype="FILE_PATH",
        description="An ONNX file of your own that removes backgrounds. Empty: the best one that is downloaded",
    )
    device: bpy.props.StringProperty(
        name="Device", default="auto", search=_device_names, search_options={"SUGGESTION"},
        description="auto, cuda:0, mps or cpu",
    )
    second_device: bpy.props.StringProperty(
        name="Second Device", search=_device_names, search_options={"SUGGESTION"},
        description="Another GPU for decoders, for example cuda:1. Empty: use one device for everything",
    )
    memory_mode: bpy.props.EnumProperty(
        name="Memory Mode", description="How much of a model stays in GPU memory", items=[
            ("auto", "Auto", "The fastest mode that fits the free GPU memory"),
            ("full", "Full", "Everything stays in GPU memory"),
            ("balanced", "Balanced", "One part of the model at a time: slower, less memory"),
            ("low", "Low", "Layers are streamed to the GPU: slowest, least memory"),
        ])
    idle_minutes: bpy.props.IntProperty(
        name="Free Memory After", default=10, min=0, soft_max=120,
        description="Minutes without a job after which the engine unloads its models. 0: never",
    )
    free_for_cycles: bpy.props.BoolProperty(
        name="Free Memory for Cycles", default=True,
        description="Unload the engine's models before Cycles renders on the GPU",
    )
    compile_networks: bpy.props.BoolProperty(
        name="Compile Networks",
        description="The first job takes about 10 s longer, later ones are a few percent faster where the pipeline "
                    "supports it. NVIDIA GPUs only",
    )
    run_in: bpy.props.EnumProperty(
        name="Run In", description="Where jobs run", items=[
            ("PROCESS", "Separate Process", "With the Python of the AI engine. Blender stays usable"),
            ("BLENDER", "Blender's Own Python (for scripts)",
             "Needs torch in Blender's Python. Blender freezes until the job finishes"),
            ("SERVER", "Server", "On another machine that runs Meshwright's server. Nothing is installed here"),
        ])
    server: bpy.props.StringProperty(
        name="Address", description="Address of the server, for example https://gpu.local or http://127.0.0.1:8000")
    server_certificate: bpy.props.StringProperty(
        name="Certificate", subtype="FILE_PATH",
        description="Certificate of the authority that signed the server's own, if it is not a public one")
    run_pipelines: bpy.props.BoolProperty(
        name="Run Pipelines from a Folder", update=_use_pipelines,
        description="Offer the pipelines of a folder of your own, too")
    pipelines_folder: bpy.props.StringProperty(
        name="Pipelines", subtype="DIR_PATH", update=_use_pipelines,
        description="Folder with one folder for each pipeline")

    def draw(self, _context: bpy.types.Context) -> None:
        draw_preferences(self.layout, self)


def draw_preferences(layout: bpy.types.UILayout, preferences: bpy.types.AddonPreferences) -> None:
    """The AI engine with its installer, then folders, devices, other pipelines and models."""
    draw_runtime(layout.box(), runtime_state())
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(preferences, "runtime_folder")
    column.prop(preferences, "backend_python")
    if os.environ.get(PYTHON_VARIABLE):
        column.label(text=translated(f"The environment variable {PYTHON_VARIABLE} overrides this"), icon="INFO")
    column.prop(preferences, "models_folder")
    column.prop(preferences, "jobs_folder")
    column.prop(preferences, "jobs_gigabytes")
    column.prop(preferences, "jobs_days")
    column.separator()
    column.prop(preferences, "hub_address")
    column.prop(preferences, "hub_token")
    column.prop(preferences, "background_model")
    column.separator()
    for name in ("device", "second_device", "memory_mode", "idle_minutes", "free_for_cycles", "compile_networks",
                 "run_in"):
        column.prop(preferences, name)
    if runs_on_server():
        draw_server(column, preferences)
    if os.environ.get(IN_PROCESS_VARIABLE) == "1":
        column.label(text=translated(f"The environment variable {IN_PROCESS_VARIABLE} overrides this"), icon="INFO")
    column.separator()
    _draw_pipelines(column, preferences)
    draw_models(layout)
    draw_shortcuts(layout)


def _draw_pipelines(column: bpy.types.UILayout, preferences: bpy.types.AddonPreferences) -> None:
    column.prop(preferences, "run_pipelines")
    if os.environ.get(registry.VARIABLE):
        column.label(text=translated(f"The environment variable {registry.VARIABLE} overrides this"), icon="INFO")
    if preferences.run_pipelines:
        column.prop(preferences, "pipelines_folder")
        wrapped(column, PIPELINES_WARNING, _WARNING_WIDTH, "ERROR")
    for complaint in registry.complaints():
        wrapped(column, str(complaint), _WARNING_WIDTH, "ERROR")


CLASSES = (MESHWRIGHT_AP_preferences,)
