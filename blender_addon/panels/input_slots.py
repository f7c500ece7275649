# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the artist gives a task its images and prompts."""

import bpy

from ..backend.contract import InputSpec, Parameter
from ..capture.rendered import has_render
from ..offered_tasks import OfferedTask
from ..parameter_groups import chosen_weights, property_names, text_of, text_property
from ..properties import group_of, image_at, image_path, mask_path, settings_of
from ..task_inputs import unusable
from .words import fits, region_width, wrapped, wrapped_as_is

SHOWN_LINES = 4
FURTHER_SCALE = 4.0


def draw_image_slots(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask,
                     scale: float) -> None:
    """The images that the task needs, or of which it needs one, with previews of that scale (0: none) and sources."""
    for wanted in image_inputs(offered):
        if is_central(offered, wanted):
            _draw_slot(layout.column(align=True), context, offered, wanted, scale)


def draw_further_images(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The images that it can use without needing them, folded away."""
    further = [wanted for wanted in image_inputs(offered) if not is_central(offered, wanted)]
    if not further:
        return
    header, body = layout.panel("meshwright_further_images", default_closed=True)
    given = sum(image_at(context.scene, image_path(offered, wanted)) is not None for wanted in further)
    header.label(text=f"More Images ({given} of {len(further)})" if given else "More Images")
    for wanted in further if body is not None else ():
        _draw_slot(body.column(align=True), context, offered, wanted, FURTHER_SCALE)


def image_inputs(offered: OfferedTask) -> list[InputSpec]:
    """The task's image slots."""
    return [wanted for wanted in offered.task.inputs if wanted.kind == "image"]


def is_central(offered: OfferedTask, wanted: InputSpec) -> bool:
    """Whether the task cannot run without it, or without it or something else."""
    return wanted.required or any(wanted.name in names for names in offered.task.needs_one_of)


def _draw_slot(column: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask, wanted: InputSpec,
               scale: float) -> None:
    weights = chosen_weights(group_of(context.scene, offered), offered)
    usable = not unusable(wanted, weights is None or weights.can_take(wanted.name))
    path = image_path(offered, wanted)
    owner, _, name = path.partition(".")
    slot = column.column(align=True)
    slot.enabled = usable
    if not wanted.required:
        header = slot.row(align=True)
        header.label(text=wanted.label)
        _draw_sources(header, path, named=False)
    slot.template_ID(getattr(settings_of(context.scene), owner), name, open="image.open")
    image = image_at(context.scene, path)
    if image is not None and usable and scale:
        slot.template_icon(image.preview_ensure().icon_id, scale=scale)
    if wanted.required:
        _draw_sources(slot.row(align=True), path, named=True)
        if image is None:
            slot.operator("meshwright.try_example", icon="IMAGE_DATA").slot = path
        elif mask := mask_path(offered, wanted):
            _draw_cut_out(slot.row(align=True), context, path, mask)
    if not usable:
        wrapped(column, f"{weights.label if weights else ''} weights cannot use {wanted.label}",
                region_width(context), "INFO")


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
        wrapped_as_is(layout.box(), text, width, most=SHOWN_LINES)


def _name(button: bpy.types.OperatorProperties, offered: OfferedTask, parameter: Parameter) -> None:
    button.pipeline, button.task, button.parameter = offered.spec.name, offered.task.name, parameter.name
