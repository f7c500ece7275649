# SPDX-License-Identifier: GPL-3.0-or-later
"""One panel for each task of each pipeline, drawn from its spec."""

from itertools import groupby

import bpy

from ..backend.contract import Parameter, WeightSet
from ..backend.pipelines import registry
from ..offered_tasks import OfferedTask
from ..parameter_groups import PRESET, WEIGHTS, chosen_weights, property_names
from ..preferences import backend_complaint
from ..properties import group_of, settings_of
from ..task_inputs import complaint
from .delivery_settings import draw_delivery_settings
from .input_slots import draw_image_slots, draw_prompt
from .main_panel import FIRST_TASK_ORDER, SidebarPanel
from .words import region_width, wrapped

MOST_BUTTONS = 3
"""More sets of weights, or presets, than this are chosen in a list: their names would not fit next to each other."""


class TaskPanel(SidebarPanel):
    """What the task panels share; `offered` is set on each class."""

    offered: OfferedTask
    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        offered, layout, task = self.offered, self.layout, self.offered.task
        settings, group = settings_of(context.scene), group_of(context.scene, offered)
        draw_image_slots(layout, context, offered)
        prompts = [known for known in task.parameters if known.multiline and not known.advanced]
        for parameter in prompts:
            draw_prompt(layout, context, offered, parameter)
        column = _split_column(layout)
        if task.mesh_input:
            column.prop(settings, "mesh_source")
        if task.presets:
            layout.row().prop(group, PRESET, expand=len(task.presets) <= MOST_BUTTONS)
        if offered.weights:
            _draw_weights(layout, context, offered)
        draw_delivery_settings(layout, settings, offered)
        _draw_parameters(layout, context, offered,
                         [known for known in task.parameters if not known.advanced and not known.multiline])
        _draw_advanced(layout, context, offered)
        button = layout.column()
        button.scale_y = 1.6
        button.operator(f"meshwright.{offered.key}", icon="PLAY")
        if not backend_complaint() and (missing := complaint(context, offered)):
            wrapped(layout, missing, region_width(context), "INFO")


def _draw_advanced(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The seed, and what the spec calls advanced, folded away."""
    advanced = [known for known in offered.task.parameters if known.advanced]
    if not advanced and not offered.task.seeded:
        return
    header, body = layout.panel(f"meshwright_{offered.key}_advanced", default_closed=True)
    header.label(text="Advanced")
    if body is None:
        return
    settings = settings_of(context.scene)
    if offered.task.seeded:
        row = _split_column(body).row(align=True)
        row.prop(settings, "seed")
        row.prop(settings, "random_seed", text="", icon="FILE_REFRESH")
    _draw_parameters(body, context, offered, advanced)
    if offered.spec.name == registry.WORKFLOW:
        body.operator("meshwright.save_workflow", icon="FILE_TICK", text="Save as…").workflow = offered.task.name


def _draw_parameters(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask,
                     shown: list[Parameter]) -> None:
    """Those of one group stand together under its name, the ones without a group first."""
    group, names = group_of(context.scene, offered), property_names(offered.task)
    order = {name: number for number, name in enumerate(dict.fromkeys(("", *(known.group for known in shown))))}
    for title, members in groupby(sorted(shown, key=lambda known: order[known.group]), lambda known: known.group):
        if title:
            layout.label(text=title)
        column = _split_column(layout)
        for parameter in members:
            if parameter.multiline:
                draw_prompt(layout, context, offered, parameter)
                column = _split_column(layout)
            else:
                column.prop(group, names[parameter.name])


def _draw_weights(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The choice of weights, what the chosen ones are, and the way to those that have to be downloaded."""
    group = group_of(context.scene, offered)
    layout.row().prop(group, WEIGHTS, expand=len(offered.weights) <= MOST_BUTTONS)
    chosen = chosen_weights(group, offered)
    assert chosen is not None, "a task with weights has chosen ones"
    wrapped(layout, weights_words(chosen), region_width(context), "INFO" if chosen.bundled else "NONE")
    downloads = [weights for weights in offered.weights
                 if not weights.bundled and (weights.files or weights.components)]
    # One button: for what is chosen above, next to the demo model for the first of the others.
    for weights in downloads[:1] if chosen.bundled else [weights for weights in downloads if weights == chosen]:
        button = layout.operator("meshwright.download_weights", icon="IMPORT",
                                 text=f"Download {weights.label} ({weights.gigabytes:g} GB)…")
        button.pipeline, button.weights = offered.spec.name, weights.name


def weights_words(weights: WeightSet) -> str:
    """What the artist should know about these weights before pressing the button."""
    if weights.bundled:
        return f"{weights.description}. {weights.license.outputs}."
    return f"{weights.description}. About {weights.memory_gib:g} GiB of GPU memory. {weights.license.outputs}."


def _split_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    return column


def panel_class(offered: OfferedTask, number: int) -> type[bpy.types.Panel]:
    """The panel of one task, the `number`th, to be registered."""
    return type(f"MESHWRIGHT_PT_{offered.key}", (TaskPanel, bpy.types.Panel), {
        "bl_label": offered.label, "bl_options": {"DEFAULT_CLOSED"} if number else set(),
        "bl_order": FIRST_TASK_ORDER + number, "offered": offered,
    })
