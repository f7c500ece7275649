# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the artist gives a task its images and prompts."""

import bpy

from ..backend.contract import InputSpec, Parameter
from ..capture.rendered import has_render
from ..offered_tasks import OfferedTask
from ..parameter_groups import chosen_weights, property_names, text_of, text_property
from ..properties import group_of, image_at, image_path, mask_path, settings_of
from ..task_inputs import unusable
from .words import fits, region_width, wrapped

PREVIEW_SCALE = 7.0
SHOWN_LINES = 8


def draw_image_slots(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """Each image of the task: required ones with a preview and their sources, optional ones in a row."""
    weights = chosen_weights(group_of(context.scene, offered), offered)
    slots = [wanted for wanted in offered.task.inputs if wanted.kind == "image"]
    for wanted in slots:
        if unusable(wanted, weights is None or weights.can_take(wanted.name)):
            _draw_slot(layout.column(), context, offered, wanted, enabled=False)
            wrapped(layout, f"{weights.label if weights else ''} weights cannot use {wanted.label}",
                    region_width(context), "INFO")
        else:
            _draw_slot(layout.column(), context, offered, wanted, enabled=True)


def _draw_slot(column: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask, wanted: InputSpec,
               enabled: bool) -> None:
    path = image_path(offered, wanted)
    owner, _, name = path.partition(".")
    column.enabled = enabled
    header = column.row(align=True)
    header.label(text=wanted.label)
    if not wanted.required:
        _draw_sources(header, path, named=False)
    column.template_ID(getattr(settings_of(context.scene), owner), name, open="image.open")
    image = image_at(context.scene, path)
    if image is not None and enabled:
        column.template_icon(image.preview_ensure().icon_id, scale=PREVIEW_SCALE)
    if wanted.required:
        _draw_sources(column.row(align=True), path, named=True)
        if image is None:
            column.operator("meshwright.try_example", icon="IMAGE_DATA").slot = path
        elif mask := mask_path(offered, wanted):
            _draw_cut_out(column.row(align=True), context, path, mask)


def _draw_cut_out(row: bpy.types.UILayout, context: bpy.types.Context, path: str, mask: str) -> None:
    """What of a photograph is the object, and how to correct it."""
    buttons = [row.operator("meshwright.cut_out", icon="CLIPUV_HLT")]
    if image_at(context.scene, mask) is not None:
        buttons.append(row.operator("meshwright.paint_mask", text="", icon="BRUSH_DATA"))
    for button in buttons:
        button.image, button.mask = path, mask


def _draw_sources(row: bpy.types.UILayout, path: str, named: bool) -> None:
    """Where an image can come from, other than a file."""
    for operator, text, icon in (("capture_view", "Camera", "CAMERA_DATA"),
                                 ("capture_viewport", "View", "VIEW3D"),
                                 ("use_render_result", "Render", "RENDER_RESULT"),
                                 ("paste_image", "Paste", "PASTEDOWN")):
        if operator != "use_render_result" or has_render():
            row.operator(f"meshwright.{operator}", text=text if named else "", icon=icon).slot = path


def draw_prompt(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask,
                parameter: Parameter) -> None:
    """A multi-line text: its field, all of it below where it is longer, and the way to the Text Editor and back."""
    group, width = group_of(context.scene, offered), region_width(context)
    layout.label(text=parameter.label)
    pointer = text_property(offered.task, parameter)
    row = layout.row(align=True)
    text = text_of(group, offered.task, parameter)
    if getattr(group, pointer) is not None:
        row.prop(group, pointer, text="")
        button = row.operator("meshwright.finish_prompt", text="", icon="LOOP_BACK")
        _name(button, offered, parameter)
    else:
        row.prop(group, property_names(offered.task)[parameter.name], text="")
    button = row.operator("meshwright.edit_prompt", text="", icon="TEXT")
    _name(button, offered, parameter)
    if getattr(group, pointer) is not None or not fits(text, width):
        wrapped(layout.box(), text, width, most=SHOWN_LINES)


def _name(button: bpy.types.OperatorProperties, offered: OfferedTask, parameter: Parameter) -> None:
    button.pipeline, button.task, button.parameter = offered.spec.name, offered.task.name, parameter.name
