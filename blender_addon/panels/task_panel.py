# SPDX-License-Identifier: GPL-3.0-or-later
"""One panel for each task of each pipeline, drawn from its spec."""

import bpy

from ..backend.contract import Parameter, PipelineSpec, TaskSpec, WeightSet
from ..parameter_groups import WEIGHTS, tasks
from ..properties import settings_of
from ..submission import MESH_KINDS, mode_of
from .main_panel import SidebarPanel
from .words import region_width, wrapped

MOST_BUTTONS = 3
"""More sets of weights than this are chosen in a list: their names would not fit beside each other."""

MOST_BUTTONS = 3
"""Sets of weights that fit side by side."""


class TaskPanel(SidebarPanel):
    """What the task panels share; `spec` and `task` are set on each class."""

    spec: PipelineSpec
    task: TaskSpec
    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        settings = settings_of(context.scene)
        group = getattr(settings, self.task.name)
        layout = self.layout
        if self.task.needs_weights:
            _draw_weights(layout, context, self.spec, group)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        if any(wanted.kind in MESH_KINDS for wanted in self.task.inputs):
            column.prop(settings, "mesh_source")
        if mode_of(self.task) == "texture":
            column.prop(settings, "paint_scope")
            column.prop(settings, "paint_uvs")
        if any(wanted.kind == "text" for wanted in self.task.inputs):
            column.prop(settings, "prompt")
        if any(wanted.kind == "image" and not wanted.required for wanted in self.task.inputs):
            column.prop(settings, "use_image")
        if self.task.seeded:
            row = column.row(align=True)
            row.prop(settings, "seed")
            row.prop(settings, "random_seed", text="", icon="FILE_REFRESH")
        _draw_parameters(column, group, [known for known in self.task.parameters if not known.advanced])
        advanced = [known for known in self.task.parameters if known.advanced]
        if advanced:
            header, body = layout.panel(f"meshwright_{self.task.name}_advanced", default_closed=True)
            header.label(text="Advanced")
            if body is not None:
                body.use_property_split, body.use_property_decorate = True, False
                _draw_parameters(body, group, advanced)
        if mode_of(self.task) == "replace":
            _draw_transfer(layout, settings)
        button = layout.column()
        button.scale_y = 1.6
        button.operator(f"meshwright.{self.task.name}", icon="PLAY")


def _draw_parameters(layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, shown: list[Parameter]) -> None:
    for parameter in shown:
        layout.prop(group, parameter.name)


def _draw_transfer(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    """What the result takes over from the mesh whose place it takes; the same choice for all such tasks."""
    header, body = layout.panel("meshwright_transfer", default_closed=True)
    header.label(text="From the Original")
    if body is not None:
        for name in ("keep_materials", "keep_uvs", "keep_weights"):
            body.prop(settings, name)


def _draw_weights(layout: bpy.types.UILayout, context: bpy.types.Context, spec: PipelineSpec,
                  group: bpy.types.PropertyGroup) -> None:
    """The choice of weights, what the chosen ones are, and the way to those that have to be fetched."""
    layout.row().prop(group, WEIGHTS, expand=len(spec.weights) <= MOST_BUTTONS)
    chosen = spec.weight_set(getattr(group, WEIGHTS))
    wrapped(layout, honest_words(chosen), region_width(context), "INFO" if chosen.bundled else "NONE")
    offered = [chosen] if not chosen.bundled else [known for known in spec.weights if not known.bundled]
    for weights in offered:
        button = layout.operator("meshwright.download_weights", text=f"Get the {weights.label} Weights…", icon="IMPORT")
        button.pipeline, button.weights = spec.name, weights.name


def honest_words(weights: WeightSet) -> str:
    """What the artist should know about these weights before pressing the button."""
    if weights.bundled:
        return f"A toy model. {weights.description}."
    use = "commercial use allowed" if weights.license.commercial_use else "no commercial use"
    return f"{weights.description}: {weights.gigabytes:g} GB, about {weights.memory_gib:g} GiB of GPU memory, {use}."


def _panel(spec: PipelineSpec, task: TaskSpec, opened: bool) -> type[bpy.types.Panel]:
    return type(f"MESHWRIGHT_PT_{task.name}", (TaskPanel, bpy.types.Panel), {
        "bl_label": task.label, "bl_options": set() if opened else {"DEFAULT_CLOSED"}, "spec": spec, "task": task,
    })


CLASSES = tuple(_panel(spec, task, opened=number == 0) for number, (spec, task) in enumerate(tasks()))
