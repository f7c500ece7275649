# SPDX-License-Identifier: GPL-3.0-or-later
"""The chosen task, drawn from its spec: what it needs, its quality, its button; what is rarely needed below."""

import bpy

from .. import gpu_memory, jobs
from ..backend.contract import WeightSet
from ..expected_times import preset_seconds
from ..offered_tasks import OfferedTask
from ..parameter_groups import PRESET, WEIGHTS, chosen_weights
from ..preferences import backend_complaint, download_complaint
from ..properties import group_of, settings_of
from ..task_inputs import complaint, selected_meshes
from ..translations import translated
from .advanced import draw_advanced, is_central_prompt
from .delivery_settings import draw_scope
from .input_slots import draw_further_images, draw_image_slots, draw_prompt
from .room import Room
from .words import duration, region_width, wrapped

MOST_BUTTONS = 3
"""More presets than this are chosen in a list: their names would not fit next to each other."""
WORDS_LINES = 2


def draw_task(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask, room: Room) -> None:
    """Input, quality, button, advanced."""
    task = offered.task
    if task.mesh_input:
        layout.label(text=mesh_words(context), icon="MESH_DATA")
        draw_scope(layout, settings_of(context.scene), offered)
    draw_image_slots(layout, context, offered, room.input)
    for parameter in task.parameters:
        if is_central_prompt(parameter):
            draw_prompt(layout, context, offered, parameter)
    _draw_quality(layout, context, offered)
    _draw_button(layout, context, offered)
    draw_further_images(layout, context, offered)
    draw_advanced(layout, context, offered)


def mesh_words(context: bpy.types.Context) -> str:
    """The selected meshes by name or number, and their faces."""
    meshes = selected_meshes(context)
    if not meshes:
        return "No mesh selected"
    faces = sum(len(item.data.polygons) for item in meshes)
    name = meshes[0].name if len(meshes) == 1 else f"{len(meshes)} meshes"
    return f"{name} · {faces:,} face{'' if faces == 1 else 's'}"


def _draw_quality(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The presets, and the model in one line with what is to be known of it."""
    group = group_of(context.scene, offered)
    if offered.task.presets:
        column = layout.column(align=True)
        column.row().prop(group, PRESET, expand=len(offered.task.presets) <= MOST_BUTTONS)
        _draw_times(column, offered, chosen_weights(group, offered), getattr(group, PRESET))
    if not offered.weights:
        return
    column = layout.column(align=True)
    column.prop(group, WEIGHTS, text="Model")
    chosen = chosen_weights(group, offered)
    assert chosen is not None, "a task with weights has chosen ones"
    wrapped(column, weights_words(chosen), region_width(context), "INFO" if chosen.bundled else "NONE", WORDS_LINES)
    _draw_memory(column, context, chosen)
    downloads = [weights for weights in offered.weights
                 if not weights.bundled and (weights.files or weights.components)]
    # One button: for what is chosen above, next to the demo model for the first of the others where that can be had.
    reason = download_complaint()
    if chosen.bundled:
        downloads = [] if reason else downloads[:1]
    for weights in [weights for weights in downloads if chosen.bundled or weights == chosen]:
        button = column.operator("meshwright.download_weights", icon="IMPORT",
                                 text=translated(f"Download {weights.label} ({weights.gigabytes:g} GB)…"))
        button.pipeline, button.weights = offered.spec.name, weights.name
        if reason and not backend_complaint():  # that one stands under the task's button
            wrapped(column, reason, region_width(context), "INFO", WORDS_LINES)


def _draw_times(column: bpy.types.UILayout, offered: OfferedTask, weights: WeightSet | None, chosen: str) -> None:
    """Under each preset the time that it will take here, once a job has run here."""
    times = preset_seconds(offered, weights)
    if not times:
        return
    row = column.row(align=True)
    row.scale_y, row.active = 0.8, False
    presets = [preset.name for preset in offered.task.presets]
    for name in presets if len(presets) <= MOST_BUTTONS else [chosen]:
        row.label(text=f"≈ {duration(times[name])}", translate=False)


def _draw_memory(column: bpy.types.UILayout, context: bpy.types.Context, weights: WeightSet) -> None:
    """Whether a job fits into the GPU's memory, before it starts; for the small demo models only where it does not."""
    short = gpu_memory.is_short(weights)
    if short or not weights.bundled:
        wrapped(column, gpu_memory.words(weights), region_width(context), "ERROR" if short else "NONE", WORDS_LINES)
    if short and jobs.device():
        column.operator("meshwright.free_memory", icon="MEMORY")


def _draw_button(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The button, and why it cannot be pressed where it cannot."""
    button = layout.column()
    button.scale_y = 1.6
    button.operator(f"meshwright.{offered.key}", icon="PLAY")
    if missing := backend_complaint() or complaint(context, offered):
        wrapped(layout, missing, region_width(context), "INFO")


def weights_words(weights: WeightSet) -> str:
    """What the artist should know about these weights before pressing the button."""
    words = (weights.description, weights.license.outputs)
    return " ".join(f"{sentence}." for sentence in (words if weights.bundled else reversed(words)))
